/* synclined: the hub as a program. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/arguments.h"
#include "server/config_exposure.h"
#include "server/data.h"
#include "server/ready.h"
#include "server/serve.h"
#include "server/verify.h"

enum { EXIT_USAGE = 2, MISTAKES_BYTES = 64 << 10 };

static const char usage[] =
    "usage: synclined serve --config FILE [--listen ADDRESS:PORT] [--data FILE] [--take-over]\n"
    "       synclined check --config FILE\n"
    "       synclined ready --config FILE [--listen ADDRESS:PORT]\n"
    "       synclined restore --from BACKUP (--config FILE | --data FILE)\n"
    "       synclined verify --config FILE [--data FILE]\n"
    "       synclined --help | --version\n"
    "\n"
    "serve   runs the hub until SIGTERM or SIGINT; SIGHUP reads the configuration again;\n"
    "        --take-over: in the place of the hub that has the database now, if there is one\n"
    "check   reads the configuration and reports every mistake in it\n"
    "ready   asks the hub that runs by it whether it takes edits: 0 for yes, 1 for no\n"
    "restore puts a backup in the place of the data, while no hub runs; what was there is kept\n"
    "verify  recomputes every document of the data, or of a backup, and tells what differs\n";

static int complain(const char *text)
{
    (void)fprintf(stderr, "synclined: %s\n%s", text, usage);
    return EXIT_USAGE;
}

/* -1: go on; otherwise the exit code. */
static int read_arguments(int count, char **values, struct arguments *arguments)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"listen", required_argument, NULL, 'l'},
        {"data", required_argument, NULL, 'd'},   {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {"from", required_argument, NULL, 'f'},
        {"take-over", no_argument, NULL, 't'},    {0},
    };
    int option;
    while ((option = getopt_long(count, values, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            arguments->config = optarg;
            break;
        case 'l':
            arguments->listen = optarg;
            break;
        case 'd':
            arguments->data = optarg;
            break;
        case 'f':
            arguments->from = optarg;
            break;
        case 't':
            arguments->take_over = true;
            break;
        case 'h':
            (void)fputs(usage, stdout);
            return EXIT_SUCCESS;
        case 'v':
            (void)puts("synclined " SYNCLINE_VERSION);
            return EXIT_SUCCESS;
        default:
            (void)fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind + 1 != count) {
        return complain("name one command");
    }
    arguments->command = values[optind];
    return -1;
}

/* What the service manager listens on counts, whatever `listen` says. */
static bool inherit(struct arguments *arguments)
{
    char error[256];
    if (!inherit_from_environment(&arguments->inherited, error, sizeof error)) {
        (void)fprintf(stderr, "synclined: %s\n", error);
        return false;
    }
    if (arguments->inherited.socket != 0) {
        arguments->listen = arguments->inherited.address;
    }
    return true;
}

/* An empty one may have no bytes to point to. */
static void show(const struct buffer *text)
{
    if (text->length > 0) {
        (void)fwrite(text->data, 1, text->length, stderr);
    }
}

static int run(struct arguments *arguments)
{
    struct config config = {0};
    struct buffer mistakes;
    int code = EXIT_USAGE;
    bool serving = strcmp(arguments->command, "serve") == 0;
    bool serves = serving || strcmp(arguments->command, "check") == 0;
    if (serving && !inherit(arguments)) {
        return EXIT_USAGE;
    }
    buffer_init(&mistakes, MISTAKES_BYTES);
    bool read = arguments_read_config(arguments, &config, &mistakes);
    if (!read || (serves && !config_check_exposure(&config, arguments->config, &mistakes))) {
        show(&mistakes);
    } else if (strcmp(arguments->command, "check") == 0) {
        if (config.net.warning[0] != '\0') {
            (void)fprintf(stderr, "%s: %s\n", arguments->config, config.net.warning);
        }
        show(&config.key_notes);
        (void)printf("%s is good\n", arguments->config);
        code = EXIT_SUCCESS;
    } else if (strcmp(arguments->command, "ready") == 0) {
        const struct config_address *internal = config_internal(&config);
        code = ready(arguments->listen == NULL && internal != NULL ? internal : &config.listen);
    } else if (strcmp(arguments->command, "restore") == 0) {
        code = data_restore(arguments->from, config.data);
    } else if (strcmp(arguments->command, "verify") == 0) {
        code = verify(&config);
    } else {
        code = serve(arguments, &config);
    }
    buffer_finish(&mistakes);
    config_finish(&config);
    return code;
}

static bool is_command(const char *name)
{
    static const char *const names[] = {"serve", "check", "ready", "restore", "verify"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

int main(int count, char **values)
{
    struct arguments arguments = {0};
    (void)umask(S_IRWXG | S_IRWXO); /* SQLite makes its files by it */
    int code = read_arguments(count, values, &arguments);
    if (code >= 0) {
        return code;
    }
    if (!is_command(arguments.command)) {
        return complain("there is no such command");
    }
    bool restores = strcmp(arguments.command, "restore") == 0;
    if (restores && arguments.from == NULL) {
        return complain("--from BACKUP is missing");
    }
    if (restores && arguments.config == NULL && arguments.data != NULL) {
        return data_restore(arguments.from, arguments.data);
    }
    if (arguments.config == NULL) {
        return complain("--config FILE is missing");
    }
    return run(&arguments);
}
