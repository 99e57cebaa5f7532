/* syncline: documents from the command line. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clients/c/data.h"
#include "clients/c/edits.h"
#include "clients/c/generate.h"
#include "clients/c/link.h"
#include "clients/c/token.h"
#include "clients/c/webhooks.h"

enum { EXIT_USAGE = 2, TIMEOUT_MS = 10000 };

static const char usage[] =
    "usage: syncline [--hub ws://HOST:PORT] [--ca-file FILE] [--token-file FILE] [--store FILE]\n"
    "                [--offline] [--timeout SECONDS] [--correlation ID] COMMAND\n"
    "\n"
    "  get NAME [FIELD]               the document, or one field, as a line of JSON\n"
    "  increment NAME FIELD [N]       count up, by 1 or N\n"
    "  decrement NAME FIELD [N]       count down\n"
    "  add NAME FIELD ELEMENT...      add to a set\n"
    "  remove NAME FIELD ELEMENT...   remove from a set, or keys from a map\n"
    "  clear NAME FIELD               remove everything seen from a set\n"
    "  set NAME FIELD VALUE           set a register\n"
    "  enable|disable NAME FIELD      set a flag\n"
    "  put NAME FIELD KEY VERB ...    an edit of what a map holds under a key; or KEY VALUE\n"
    "  reserve NAME FIELD N [SECONDS] set aside N of a bounded counter, for this store's use\n"
    "  release NAME FIELD             give back what is left of it\n"
    "  batch NAME                     edits from standard input, `VERB FIELD VALUES...` a line\n"
    "  watch NAME [--count N]         a line of JSON for each change\n"
    "  sync [NAME...]                 send what is stored, and wait until it is acknowledged\n"
    "  generate typescript [--config FILE] [--output FILE]\n"
    "                                 types for the JavaScript client, from the schemas of a\n"
    "                                 configuration, or of the hub\n"
    "  backup FILE                    a copy of the hub's data file, while it runs\n"
    "  export [PATTERN...]            documents with their full states, as lines of JSON\n"
    "  import                         joins what `export` wrote, from standard input\n"
    "  erase NAME [FIELD ELEMENT]     a document, or an element of a set, leaves the hub for ever\n"
    "  retire [--idle 30d] [--dry-run]\n"
    "                                 the hub forgets replicas that were silent for so long\n"
    "  webhooks [list]                whom the hub tells what has changed, and how that goes\n"
    "  webhooks dead TARGET           what could not be told, the latest first\n"
    "  webhooks resend TARGET [ID...] tell it now: these dead letters, or the last 500\n"
    "  webhooks pause|resume TARGET   tell it nothing for a while\n"
    "  token --secret-file FILE --sub WHO [--expires 1h] [--allow RIGHTS] [--admin]\n"
    "                                 a token for trials, signed with the hub's secret; RIGHTS\n"
    "                                 such as \"post/*:read,write cart/{sub}:read\"\n"
    "\n"
    "An edit exits 0 when the hub has it on disk; with --offline, when the store has it. The\n"
    "default hub is ws://127.0.0.1:7962. A name is schema/key, such as post/42. A hub with TLS,\n"
    "wss://HOST:PORT, is believed what the system's authorities say, or those of --ca-file.\n";

struct app {
    struct link *link;
    struct store *store;
    struct session *session; /* of the document named */
    struct session *sessions[LIMIT_STREAMS];
    size_t length;
    uint64_t timeout_ms;
    uint64_t watch_left;
    bool offline;
    bool rejected;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static int fail(int code, const char *what, const char *detail)
{
    (void)fprintf(stderr, "syncline: %s%s%s\n", what, detail[0] == '\0' ? "" : ": ", detail);
    return code;
}

static int print(const struct session *session, const char *field)
{
    struct buffer text;
    buffer_init(&text, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&text);
    enum session_status status = session_json(session, field, &writer);
    if (status == SESSION_OK) {
        (void)fwrite(text.data, 1, text.length, stdout);
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
    }
    buffer_finish(&text);
    if (status == SESSION_NO_FIELD) {
        return fail(EXIT_USAGE, session_status_text(status), field == NULL ? "" : field);
    }
    return status == SESSION_OK ? EXIT_SUCCESS
                                : fail(EXIT_FAILURE, session_status_text(status), "");
}

static void on_changed(void *context, struct session *session)
{
    struct app *app = context;
    if (app->watch_left > 0 && session == app->session) {
        app->watch_left -= print(session, NULL) == EXIT_SUCCESS;
    }
}

static void on_rejected(void *context, struct session *session, const struct session_news *news)
{
    struct app *app = context;
    app->rejected = true;
    (void)fprintf(stderr, "syncline: %s: %s: %s\n", session->name, news->code, news->text);
}

static uint64_t wall_clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool arrived(void *context)
{
    struct app *app = context;
    return app->session->arrived;
}

static bool acknowledged(void *context)
{
    struct app *app = context;
    bool done = true;
    for (size_t i = 0; i < app->length; i++) {
        done = done && app->sessions[i]->arrived && session_pending(app->sessions[i]) == 0;
    }
    return done;
}

static bool watched(void *context)
{
    struct app *app = context;
    return app->watch_left == 0 || interrupted;
}

static int run_until(struct app *app, bool (*done)(void *context))
{
    const char *why = "";
    if (link_run(app->link, done, app, app->timeout_ms, &why)) {
        return EXIT_SUCCESS;
    }
    return fail(EXIT_FAILURE, why, "");
}

static struct session *add(struct app *app, const char *name)
{
    struct bytes schema;
    struct bytes key;
    struct bytes bytes = bytes_of_text(name);
    if (!document_name_valid(bytes, &schema, &key) || app->length == LIMIT_STREAMS) {
        (void)fail(EXIT_USAGE, "a document's name is schema/key", name);
        return NULL;
    }
    struct session *session = link_add(app->link, name);
    if (session == NULL) {
        (void)fail(EXIT_FAILURE, "what the store holds cannot be read", name);
        return NULL;
    }
    app->sessions[app->length++] = session;
    return session;
}

static int get(struct app *app, const char *field)
{
    int code = app->offline ? EXIT_SUCCESS : run_until(app, arrived);
    return code == EXIT_SUCCESS ? print(app->session, field) : code;
}

static int watch(struct app *app, uint64_t count)
{
    app->watch_left = count;
    app->timeout_ms = UINT64_MAX / 4;
    (void)signal(SIGINT, on_interrupt);
    (void)signal(SIGTERM, on_interrupt);
    return run_until(app, watched);
}

/* What was kept may be old: before an edit is refused for it, the hub is asked. */
static enum session_status try_edit(struct app *app, const char *field, const struct edit *edit)
{
    session_set_time(app->session, wall_clock_ms());
    enum session_status status = session_edit(app->session, field, edit);
    if (status == SESSION_OUT_OF_BOUNDS && !app->offline && !app->session->arrived &&
        run_until(app, arrived) == EXIT_SUCCESS) {
        status = session_edit(app->session, field, edit);
    }
    return status;
}

static int apply(struct app *app, const char *field, const struct edit *edit)
{
    enum session_status status = try_edit(app, field, edit);
    if (status == SESSION_OK) {
        return EXIT_SUCCESS;
    }
    if (status == SESSION_OUT_OF_BOUNDS) {
        (void)fail(EXIT_FAILURE, session_status_text(status), "this is what stands");
        (void)print(app->session, field);
        return EXIT_FAILURE;
    }
    char known[SESSION_TEXT_BYTES] = "";
    char detail[3 * SESSION_TEXT_BYTES];
    const struct schema_field *found =
        schema_field_by_name(&app->session->schema, bytes_of_text(field));
    if (status == SESSION_BAD_EDIT && found != NULL) {
        edit_describe(&found->declared, known, sizeof known);
    }
    (void)snprintf(detail, sizeof detail, "%.32s %s %.64s%s%s%s", edit->verb, app->session->name,
                   field, known[0] == '\0' ? "" : " (", known, known[0] == '\0' ? "" : ")");
    return fail(status == SESSION_NO_SCHEMA || status == SESSION_NO_MEMORY ? EXIT_FAILURE
                                                                           : EXIT_USAGE,
                session_status_text(status), detail);
}

/* Edits are stored before they are sent, so that none is lost when the hub, or this process, goes
 * away. */
static int finish_edits(struct app *app)
{
    if (!link_save(app->link, app->session)) {
        return fail(EXIT_FAILURE, "the store cannot be written", "");
    }
    if (app->offline) {
        return EXIT_SUCCESS;
    }
    int code = run_until(app, acknowledged);
    if (code != EXIT_SUCCESS && app->store != NULL) {
        (void)fail(code, "the edit is stored; `syncline sync` sends it", "");
    }
    return code == EXIT_SUCCESS && app->rejected ? EXIT_FAILURE : code;
}

static int know_schema(struct app *app)
{
    return app->session->declared || app->offline ? EXIT_SUCCESS : run_until(app, arrived);
}

static int edit_one(struct app *app, const char *verb, char **values, int count)
{
    if (count < 1) {
        return fail(EXIT_USAGE, "name a field", verb);
    }
    if (strcmp(verb, "reserve") == 0 && app->store == NULL) {
        return fail(EXIT_USAGE,
                    "a lease belongs to a store, which draws from it: name one with "
                    "--store",
                    "");
    }
    struct edit edit = {
        .verb = verb, .values = (const char *const *)(values + 1), .length = (size_t)count - 1};
    int code = know_schema(app);
    if (code == EXIT_SUCCESS) {
        code = apply(app, values[0], &edit);
    }
    return code == EXIT_SUCCESS ? finish_edits(app) : code;
}

/* `VERB FIELD VALUES...`, separated by blanks. */
static int edit_line(struct app *app, char *line)
{
    char *words[64];
    size_t count = 0;
    for (char *word = strtok(line, " \n"); word != NULL && count < 64; word = strtok(NULL, " \n")) {
        words[count++] = word;
    }
    if (count == 0) {
        return EXIT_SUCCESS;
    }
    if (count == 1) {
        return fail(EXIT_USAGE, "name a field", words[0]);
    }
    struct edit edit = {
        .verb = words[0], .values = (const char *const *)(words + 2), .length = count - 2};
    return apply(app, words[1], &edit);
}

static int edit_batch(struct app *app)
{
    char *line = NULL;
    size_t size = 0;
    int code = know_schema(app);
    while (code == EXIT_SUCCESS && getline(&line, &size, stdin) >= 0) {
        code = edit_line(app, line);
    }
    free(line);
    return code == EXIT_SUCCESS ? finish_edits(app) : code;
}

static void add_pending(void *context, const char *name) { (void)add(context, name); }

static int sync_all(struct app *app, char **names, int count)
{
    if (app->store == NULL) {
        return fail(EXIT_USAGE, "sync sends what a store holds: name it with --store", "");
    }
    for (int i = 0; i < count; i++) {
        if (add(app, names[i]) == NULL) {
            return EXIT_USAGE;
        }
    }
    if (count == 0 && !store_each_pending(app->store, add_pending, app)) {
        return fail(EXIT_FAILURE, "what the store holds cannot be read", "");
    }
    int code = run_until(app, acknowledged);
    return code == EXIT_SUCCESS && app->rejected ? EXIT_FAILURE : code;
}

struct arguments {
    const char *hub;
    const char *ca_file;
    const char *token_file;
    const char *correlation;
    struct token_wish token;
    const char *store;
    const char *timeout;
    const char *count;
    const char *config;
    const char *output;
    const char *idle;
    bool dry_run;
    bool offline;
    char **words; /* the command and what follows, without options */
    int word_count;
};

static uint64_t number_of(const char *text, uint64_t otherwise)
{
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static int run(struct app *app, const struct arguments *arguments)
{
    char **words = arguments->words;
    int count = arguments->word_count;
    const char *command = words[0];
    if (strcmp(command, "generate") == 0 && count == 2) {
        const struct generate_options options = {words[1], arguments->config, arguments->output,
                                                 app->timeout_ms};
        return generate(app->link, &options);
    }
    if (data_is_command(command)) {
        return data_run(app->link, &(struct data_options){words, count, app->timeout_ms,
                                                          arguments->idle, arguments->dry_run});
    }
    if (strcmp(command, "webhooks") == 0) {
        return webhooks_run(app->link, &(struct webhooks_options){words, count, app->timeout_ms});
    }
    if (strcmp(command, "sync") == 0) {
        return sync_all(app, words + 1, count - 1);
    }
    if (count < 2) {
        return fail(EXIT_USAGE, "name a document", command);
    }
    app->session = add(app, words[1]);
    if (app->session == NULL) {
        return EXIT_USAGE;
    }
    if (strcmp(command, "get") == 0 && count <= 3) {
        return get(app, count == 3 ? words[2] : NULL);
    }
    if (strcmp(command, "watch") == 0 && count == 2) {
        return watch(app, number_of(arguments->count, UINT64_MAX));
    }
    if (strcmp(command, "batch") == 0 && count == 2) {
        return edit_batch(app);
    }
    static const char *const verbs[] = {"increment", "decrement", "add", "remove",  "clear",  "set",
                                        "enable",    "disable",   "put", "reserve", "release"};
    for (size_t i = 0; i < sizeof verbs / sizeof(*verbs); i++) {
        if (strcmp(command, verbs[i]) == 0) {
            return edit_one(app, command, words + 2, count - 2);
        }
    }
    (void)fail(EXIT_USAGE, "no such command", command);
    (void)fputs(usage, stderr);
    return EXIT_USAGE;
}

/* No option begins with a digit, so behind the command it is a negative number. */
static bool is_word(const char *text, bool behind_command)
{
    bool number = text[0] == '-' && text[1] >= '0' && text[1] <= '9';
    return text[0] != '-' || text[1] == '\0' || (number && behind_command);
}

/* Gathers words up to the next option, in front of which getopt stops; behind "--" are words only.
 * False: there is nothing more. */
static bool skip_words(int count, char **values, struct arguments *arguments)
{
    bool only_words = false;
    for (; optind < count; optind++) {
        char *text = values[optind];
        if (only_words || is_word(text, arguments->word_count > 0)) {
            arguments->words[arguments->word_count++] = text;
        } else if (strcmp(text, "--") == 0) {
            only_words = true;
        } else {
            return true;
        }
    }
    return false;
}

/* -1: go on; otherwise the exit code. */
static int read_arguments(int count, char **values, struct arguments *arguments)
{
    static const struct option options[] = {
        {"hub", required_argument, NULL, 'h'},
        {"ca-file", required_argument, NULL, 'C'},
        {"store", required_argument, NULL, 's'},
        {"timeout", required_argument, NULL, 't'},
        {"correlation", required_argument, NULL, 'r'},
        {"count", required_argument, NULL, 'c'},
        {"offline", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, '?'},
        {"version", no_argument, NULL, 'v'},
        {"token-file", required_argument, NULL, 'k'},
        {"secret-file", required_argument, NULL, 'S'},
        {"sub", required_argument, NULL, 'u'},
        {"expires", required_argument, NULL, 'e'},
        {"allow", required_argument, NULL, 'A'},
        {"admin", no_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'f'},
        {"output", required_argument, NULL, 'O'},
        {"idle", required_argument, NULL, 'i'},
        {"dry-run", no_argument, NULL, 'n'},
        {0},
    };
    arguments->words = values + 1; /* what is read already makes room */
    while (skip_words(count, values, arguments)) {
        switch (getopt_long(count, values, "+", options, NULL)) {
        case 'h':
            arguments->hub = optarg;
            break;
        case 'C':
            arguments->ca_file = optarg;
            break;
        case 's':
            arguments->store = optarg;
            break;
        case 't':
            arguments->timeout = optarg;
            break;
        case 'c':
            arguments->count = optarg;
            break;
        case 'f':
            arguments->config = optarg;
            break;
        case 'O':
            arguments->output = optarg;
            break;
        case 'i':
            arguments->idle = optarg;
            break;
        case 'n':
            arguments->dry_run = true;
            break;
        case 'o':
            arguments->offline = true;
            break;
        case 'r':
            arguments->correlation = optarg;
            break;
        case 'k':
            arguments->token_file = optarg;
            break;
        case 'S':
            arguments->token.secret_file = optarg;
            break;
        case 'u':
            arguments->token.subject = optarg;
            break;
        case 'e':
            arguments->token.life = optarg;
            break;
        case 'A':
            arguments->token.allow = optarg;
            break;
        case 'a':
            arguments->token.admin = true;
            break;
        case 'v':
            (void)puts("syncline " SYNCLINE_VERSION);
            return EXIT_SUCCESS;
        default: {
            bool help = optind > 0 && strcmp(values[optind - 1], "--help") == 0;
            (void)fputs(usage, help ? stdout : stderr);
            return help ? EXIT_SUCCESS : EXIT_USAGE;
        }
        }
    }
    if (arguments->word_count == 0) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static int print_token(const struct token_wish *wish)
{
    char error[TOKEN_TEXT_BYTES];
    if (wish->secret_file == NULL || wish->subject == NULL) {
        return fail(EXIT_USAGE, "token needs --secret-file and --sub", "");
    }
    char *token = token_make(wish, wall_clock_ms() / 1000, error);
    if (token == NULL) {
        return fail(EXIT_USAGE, error, "");
    }
    (void)puts(token);
    free(token);
    return EXIT_SUCCESS;
}

int main(int count, char **values)
{
    static struct app app;
    struct arguments arguments = {.hub = "ws://127.0.0.1:7962", .token = {.life = "1h"}};
    char store_error[STORE_TEXT_BYTES];
    const char *error;
    int code = read_arguments(count, values, &arguments);
    if (code >= 0) {
        return code;
    }
    if (strcmp(arguments.words[0], "token") == 0 && arguments.word_count == 1) {
        return print_token(&arguments.token);
    }
    if (arguments.offline && arguments.store == NULL) {
        return fail(EXIT_USAGE, "--offline keeps edits in a store: name it with --store", "");
    }
    app.offline = arguments.offline;
    app.timeout_ms = number_of(arguments.timeout, TIMEOUT_MS / 1000) * 1000;
    if (arguments.store != NULL) {
        app.store = store_open(arguments.store, store_error);
        if (app.store == NULL) {
            return fail(EXIT_FAILURE, store_error, "");
        }
    }
    struct link_options options = {.hub = arguments.hub,
                                   .ca_file = arguments.ca_file,
                                   .store = app.store,
                                   .token_file = arguments.token_file,
                                   .correlation = arguments.correlation,
                                   .changed = on_changed,
                                   .rejected = on_rejected,
                                   .context = &app};
    app.link = link_create(&options, &error);
    if (app.link == NULL) {
        code = fail(EXIT_USAGE, error, "");
    } else {
        code = run(&app, &arguments);
    }
    link_destroy(app.link);
    store_close(app.store);
    return code;
}
