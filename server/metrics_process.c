/* The metrics of the process, by the names that all programs have for them, and of its files. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/metrics.h"

/* proc(5), /proc/self/stat: ticks and pages. */
struct process_stat {
    unsigned long user;
    unsigned long system;
    unsigned long long started;
    unsigned long virtual_bytes;
    long resident;
};

static bool read_stat(struct process_stat *stat)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return false;
    }
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    const char *after = strrchr(text, ')'); /* the name may hold anything */
    return after != NULL &&
           sscanf(after,
                  ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d "
                  "%llu %lu %ld",
                  &stat->user, &stat->system, &stat->started, &stat->virtual_bytes,
                  &stat->resident) == 5;
}

/* When the machine was started, in seconds since 1970. */
static double boot_seconds(void)
{
    char line[256];
    unsigned long long seconds = 0;
    FILE *file = fopen("/proc/stat", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL &&
           sscanf(line, "btime %llu", &seconds) != 1) {
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return (double)seconds;
}

/* Since Linux 6.2 the directory's size says how many there are; before, they are counted. */
static uint64_t open_files(void)
{
    struct stat stat_of;
    uint64_t count = 0;
    if (stat("/proc/self/fd", &stat_of) == 0 && stat_of.st_size > 0) {
        return (uint64_t)stat_of.st_size;
    }
    DIR *directory = opendir("/proc/self/fd");
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return count < 3 ? 0 : count - 3; /* itself, and two that name directories */
}

void metrics_process(struct metrics *metrics, struct loop *loop)
{
    (void)loop;
    struct process_stat stat;
    struct rlimit files = {0};
    double tick = (double)sysconf(_SC_CLK_TCK);
    metrics_gauge(metrics, "syncline_build_info", "Always 1: the version that runs.");
    metrics_sample(metrics, "version", SYNCLINE_VERSION, 1);
    if (read_stat(&stat)) {
        metrics_counter(metrics, "process_cpu_seconds_total", "Processor time, user and system.");
        metrics_seconds(metrics, (double)(stat.user + stat.system) / tick);
        metrics_gauge(metrics, "process_start_time_seconds", "Start, in seconds since 1970.");
        metrics_seconds(metrics, boot_seconds() + (double)stat.started / tick);
        metrics_gauge_of(metrics, "process_resident_memory_bytes", "Resident memory.",
                         (uint64_t)stat.resident * (uint64_t)sysconf(_SC_PAGESIZE));
        metrics_gauge_of(metrics, "process_virtual_memory_bytes", "Virtual memory.",
                         stat.virtual_bytes);
    }
    metrics_gauge_of(metrics, "process_open_fds", "Open files and sockets.", open_files());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        metrics_gauge_of(metrics, "process_max_fds", "How many the process may have.",
                         files.rlim_cur);
    }
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
    char name[4096];
    struct stat stat_of;
    int length = snprintf(name, sizeof name, "%s%s", path, suffix);
    bool there = length > 0 && (size_t)length < sizeof name && stat(name, &stat_of) == 0;
    return there ? (uint64_t)stat_of.st_size : 0;
}

void metrics_storage(struct metrics *metrics, struct loop *loop)
{
    struct statvfs disk;
    metrics_gauge_of(metrics, "syncline_database_bytes", "The database's file.",
                     file_bytes(loop->data, ""));
    metrics_gauge_of(metrics, "syncline_wal_bytes",
                     "SQLite's write-ahead log beside it: its greatest length since the start.",
                     file_bytes(loop->data, "-wal"));
    if (statvfs(loop->data, &disk) == 0) {
        metrics_gauge_of(metrics, "syncline_disk_free_bytes", "Room for both that is left.",
                         (uint64_t)disk.f_bavail * disk.f_frsize);
    }
}
