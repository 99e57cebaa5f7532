#include "tests/memory/asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "tests/support/json_packet.h"

enum { PATIENCE_MS = 2000 };

/* What is said, and how its answer begins; NULL: nothing is answered. */
static const struct {
    const char *packet;
    const char *answer;
} questions[] = {
    {"[\"HELLO\",0,1,{\"token\":\"admin\",\"agent\":\"asker\",\"client\":\"test\"}]",
     "[\"WELCOME\","},
    {"[\"CALL\",1,\"schema\",{}]", "[\"RESULT\",1,"},
    {"[\"CALL\",2,\"stats\",{}]", "[\"RESULT\",2,"},
    {"[\"CALL\",3,\"connections\",{}]", "[\"RESULT\",3,"},
    {"[\"CALL\",4,\"connection\",{\"id\":1}]", "[\"RESULT\",4,"},
    {"[\"CALL\",5,\"documents\",{}]", "[\"RESULT\",5,"},
    {"[\"CALL\",6,\"document\",{\"name\":\"all/1\"}]", "[\"RESULT\",6,"},
    {"[\"CALL\",7,\"rejected\",{}]", "[\"RESULT\",7,"},
    {"[\"OPEN\",8,\"all/"
     "2\",[{\"$bytes\":\"018bcfe568007000800000000000aaaa\"}],{\"presence\":true}]",
     "[\"SNAPSHOT\",8,"},
    {"[\"PRESENCE\",8,0,{\"at\":\"the till, with a name that takes some bytes\"}]", NULL},
    {"[\"STATE\",8,null,1,[0,[]],{\"0\":[[null,5]],\"5\":[[[[null,1]],[\"stated\"]]]}]",
     "\",8,null,1,"}, /* or REJECT, once its replica has retired */
    {"[\"PRESENCE\",8,0,null]", NULL},
    {"[\"PING\",0,7]", "[\"PONG\",0,7"},
    {"[\"CLOSE\",8,\"\",\"\"]", NULL},
    {"[\"AUTH\",9,\"admin\"]", "\",9,"}, /* it may be too early for one */
};

enum { QUESTIONS = sizeof questions / sizeof *questions };

void asker_init(struct asker *asker, struct machine *machine)
{
    *asker = (struct asker){.machine = machine, .line = MACHINE_LINES};
    buffer_init(&asker->heard, SIZE_MAX / 2);
}

void asker_leave(struct asker *asker)
{
    if (asker->line != MACHINE_LINES) {
        machine_leave(asker->machine, asker->line);
        asker->line = MACHINE_LINES;
    }
    asker->asked = 0;
    buffer_clear(&asker->heard);
}

void asker_finish(struct asker *asker)
{
    asker_leave(asker);
    buffer_finish(&asker->heard);
}

void asker_begin(struct asker *asker)
{
    asker_leave(asker);
    asker->done = false;
}

bool asker_is_done(const struct asker *asker) { return asker->done; }

static void say(struct asker *asker, const char *text)
{
    struct buffer message;
    buffer_init(&message, SIZE_MAX / 2);
    struct writer writer = writer_to(&message);
    if (!json_packet_write(&writer, text)) {
        abort();
    }
    machine_say(asker->machine, asker->line, buffer_bytes(&message));
    buffer_finish(&message);
}

static void listen(struct asker *asker, struct bytes message)
{
    struct reader reader = reader_of(message);
    struct writer writer = writer_to(&asker->heard);
    while (reader_ok(&reader) && reader.left.length > 0) {
        packet_write_json(&writer, read_raw(&reader));
        write_raw(&writer, (struct bytes){(const uint8_t *)"\n", 1});
    }
    if (!reader_ok(&reader) || writer.status != PROTOCOL_OK) {
        machine_violation(asker->machine, "the asker is sent what is no packet");
    }
}

static bool has_heard(struct asker *asker, const char *answer)
{
    return answer == NULL ||
           memmem(asker->heard.data, asker->heard.length, answer, strlen(answer)) != NULL;
}

/* The next question, once the last one is answered. */
static bool ask(struct asker *asker)
{
    if (asker->asked > 0 &&
        (asker->heard.data == NULL || !has_heard(asker, questions[asker->asked - 1].answer))) {
        return false;
    }
    if (asker->asked == QUESTIONS) {
        asker->done = true;
        asker_leave(asker);
        return true;
    }
    say(asker, questions[asker->asked++].packet);
    return true;
}

bool asker_turn(struct asker *asker)
{
    struct buffer message;
    if (asker->done) {
        return false;
    }
    if (asker->line == MACHINE_LINES) {
        asker->line = machine_connect(asker->machine);
        asker->silent_ms = asker->machine->now_ms;
        return asker->line != MACHINE_LINES && ask(asker);
    }
    buffer_init(&message, SIZE_MAX / 2);
    bool heard = machine_hear(asker->machine, asker->line, &message);
    if (heard) {
        listen(asker, buffer_bytes(&message));
        asker->silent_ms = asker->machine->now_ms;
    }
    buffer_finish(&message);
    bool asked = (asker->asked > 0 || heard) && ask(asker);
    bool gone =
        asker->line != MACHINE_LINES && !heard && !asker->machine->lines[asker->line].hub_is_there;
    if (gone || (!heard && asker->machine->now_ms > asker->silent_ms + PATIENCE_MS)) {
        asker_leave(asker);
    }
    return heard || asked;
}
