#include "tests/storage/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol/codec.h"

enum { WAIT_SECONDS = 10 };

void fixture_require(bool good, const char *what, const char *file, int line)
{
    if (!good) {
        (void)fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
        (void)fflush(stderr);
        _exit(1);
    }
}

struct bytes fixture_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void fixture_declare(struct fixture *fixture, const char *schema, const char *field,
                     const char *type, enum element_of of)
{
    const struct schema *found = schema_find(&fixture->schemas, fixture_text(schema));
    struct schema *owner = found != NULL
                               ? &fixture->schemas.schemas[found - fixture->schemas.schemas]
                               : schema_set_add(&fixture->schemas, fixture_text(schema));
    REQUIRE(owner != NULL);
    struct schema_field *added = schema_add_field(owner, fixture_text(field));
    REQUIRE(added != NULL);
    const struct protocol_codec *codec = protocol_codec_find(fixture_text(type));
    REQUIRE(codec != NULL);
    declaration_init(&added->declared, codec, false);
    added->declared.of = of;
}

void fixture_forget_schemas(struct fixture *fixture)
{
    schema_set_finish(&fixture->schemas);
    fixture->schemas = (struct schema_set){0};
}

void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.folder = "/tmp/syncline-storage-XXXXXX"};
    REQUIRE(mkdtemp(fixture->folder) != NULL);
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/data.db", fixture->folder);
    REQUIRE(sem_init(&fixture->woken, 0, 0) == 0);
    fixture_declare(fixture, "post", "likes", "g-counter", ELEMENT_STRING);
    fixture_declare(fixture, "post", "stock", "pn-counter", ELEMENT_STRING);
    fixture_declare(fixture, "post", "tags", "or-set", ELEMENT_ANY);
}

void fixture_finish(struct fixture *fixture)
{
    (void)storage_close(fixture->storage);
    fixture_forget_schemas(fixture);
    DIR *folder = opendir(fixture->folder);
    REQUIRE(folder != NULL);
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    (void)closedir(folder);
    REQUIRE(rmdir(fixture->folder) == 0);
    (void)sem_destroy(&fixture->woken);
}

static void wake(void *context)
{
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->wakes, 1);
    (void)sem_post(&fixture->woken);
}

bool fixture_try_open(struct fixture *fixture, char error[STORAGE_ERROR_BYTES])
{
    error[0] = '\0';
    return storage_open(&fixture->storage, fixture->path, fixture->relaxed, &fixture->schemas,
                        error);
}

void fixture_start(struct fixture *fixture)
{
    REQUIRE(storage_start(fixture->storage, wake, fixture));
}

void fixture_open(struct fixture *fixture)
{
    char error[STORAGE_ERROR_BYTES];
    bool opened = fixture_try_open(fixture, error);
    fixture_require(opened, error, __FILE__, __LINE__);
    fixture_start(fixture);
}

void fixture_close(struct fixture *fixture)
{
    REQUIRE(storage_close(fixture->storage));
    fixture->storage = NULL;
}

void fixture_wait(struct fixture *fixture, struct storage_completion *completion)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    while (!storage_poll(fixture->storage, completion)) {
        REQUIRE(sem_timedwait(&fixture->woken, &until) == 0);
    }
}

bool fixture_append(struct fixture *fixture, struct bytes batch, uint64_t *position)
{
    struct storage_completion completion;
    REQUIRE(storage_append(fixture->storage, batch, 1700000000000));
    fixture_wait(fixture, &completion);
    REQUIRE(completion.kind == STORAGE_APPENDED || completion.kind == STORAGE_APPEND_FAILED);
    *position = completion.position;
    return completion.kind == STORAGE_APPENDED;
}

bool fixture_store(struct fixture *fixture, struct bytes rows)
{
    struct storage_completion completion;
    REQUIRE(storage_store(fixture->storage, rows));
    fixture_wait(fixture, &completion);
    REQUIRE(completion.kind == STORAGE_STORED || completion.kind == STORAGE_STORE_FAILED);
    return completion.kind == STORAGE_STORED;
}

void fixture_write_rows(struct buffer *buffer, const struct row *rows, size_t length)
{
    struct writer writer = writer_to(buffer);
    for (size_t i = 0; i < length; i++) {
        row_write(&writer, &rows[i]);
    }
    REQUIRE(writer.status == PROTOCOL_OK);
}

bool fixture_store_rows(struct fixture *fixture, const struct row *rows, size_t length)
{
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX / 2);
    fixture_write_rows(&buffer, rows, length);
    bool stored = fixture_store(fixture, buffer_bytes(&buffer));
    buffer_finish(&buffer);
    return stored;
}

void fixture_ask(struct fixture *fixture, const struct row_request *request,
                 struct storage_completion *completion)
{
    uint8_t data[1024];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&buffer);
    row_request_write(&writer, request);
    REQUIRE(writer.status == PROTOCOL_OK);
    REQUIRE(storage_load(fixture->storage, 77, buffer_bytes(&buffer)));
    storage_completion_finish(completion);
    fixture_wait(fixture, completion);
}

bool fixture_load(struct fixture *fixture, const char *name, struct bytes *rows, char *text)
{
    struct replica_id replicas[] = {fixture_replica(1), fixture_replica(2)};
    struct row_request request = {
        .name = fixture_text(name), .document = true, .replicas = replicas, .length = 2};
    struct storage_completion completion = {0};
    fixture_ask(fixture, &request, &completion);
    REQUIRE(completion.kind == STORAGE_LOADED || completion.kind == STORAGE_LOAD_FAILED);
    REQUIRE(completion.request == 77);
    *rows = completion.bytes;
    if (text != NULL) {
        memcpy(text, completion.text, sizeof completion.text);
    }
    return completion.kind == STORAGE_LOADED;
}

const char *fixture_sql(const struct fixture *fixture, const char *sql)
{
    static char answer[1024];
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    answer[0] = '\0';
    REQUIRE(sqlite3_open(fixture->path, &database) == SQLITE_OK);
    int rc = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    fixture_require(rc == SQLITE_OK, sqlite3_errmsg(database), __FILE__, __LINE__);
    rc = sqlite3_step(statement);
    fixture_require(rc == SQLITE_ROW || rc == SQLITE_DONE, sqlite3_errmsg(database), __FILE__,
                    __LINE__);
    if (rc == SQLITE_ROW && sqlite3_column_text(statement, 0) != NULL) {
        (void)snprintf(answer, sizeof answer, "%s",
                       (const char *)sqlite3_column_text(statement, 0));
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(database);
    return answer;
}

struct replica_id fixture_replica(unsigned number)
{
    uint8_t random[REPLICA_BYTES] = {(uint8_t)number};
    return replica_id_make(1700000000000 + number, random);
}

int fixture_fork(void (*body)(struct fixture *fixture), struct fixture *fixture)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        body(fixture);
        _exit(0);
    }
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
