#include "tests/memory/asker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "tests/support/json_packet.h"

enum { PATIENCE_MS = 2000, TEXT_BYTES = 2048, TIME_DIGITS = 12 };

/* An export of `all/@` of another hub: a counter, an increment and a decrement, a set of long and
 * short elements, a register, a map, a name; without its values, which are for people. */
#define IMPORT_A                                                                                   \
    "9901c405616c6c2f6@c410015b6217ae41075434ac4b8687da4a7f0800c4b093c410018bcfe5230f7b6ba7ccc1de" \
    "fce6b07301919300030093c410018bcfe5232270c78546839dc8d2a44c01919301000293c410018bcfe523347ca1" \
    "ab87e0b71876f925019093c410018bcfe5235777638b005371068bed15019093c410018bcfe523847f31af771ac7" \
    "719d9c4c019093c410018bcfe5238e784baf7b1d0458414cc0019093c410018bcfe523ae759daecdc8363840b519" \
    "019093c410018bcfe523cd7985af50e5896f6b6074019096920000920100920200920300920400920500969500a5" \
    "6c696b6573a9672d636f756e74657280c4009501a6706f696e7473aa706e2d636f756e74657280c4009502a47461" \
    "6773a66f722d73657481a26f66a6737472696e67c45a92"
#define IMPORT_B                                                                                   \
    "929192c410018bcfe523347ca1ab87e0b71876f9250192a3726564d920612d7461672d746861742d69732d6c6f6e" \
    "6765722d7468616e2d612d736c6f74929192c410018bcfe5235777638b005371068bed150191a46d6f72659503a4" \
    "6e6f7465ab6d762d726567697374657281a26f66a3616e79c41991929192c410018bcfe5238e784baf7b1d045841" \
    "4cc00191079504a463617274a36d617081a26f6692aa706e2d636f756e74657280c43091939192c410018bcfe523" \
    "ae759daecdc8363840b51901a26b319193c410018bcfe523ae759daecdc8363840b51901049505a46e616d65ac6c" \
    "77772d726567697374657281a26f66a6737472696e67c42c91929192c410018bcfe523cd7985af50e5896f6b6074" \
    "019193cf0000018bcfe523d000a8736f6d65626f6479c400"

/* What is said, and how its answer begins; NULL: nothing is answered. In what is said `@` is the
 * round's letter, and its hexadecimal form behind `6`; `#` is the time as a replica has it. */
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
    {"[\"CALL\",10,\"erase\",{\"name\":\"all/2\",\"field\":\"tags\",\"element\":"
     "{\"$bytes\":\"a6737461746564\"}}]",
     "[\"RESULT\",10,"},
    {"[\"OPEN\",11,\"all/3\",[{\"$bytes\":\"#7000800000000000bbbb\"}],{}]", "[\"SNAPSHOT\",11,"},
    {"[\"STATE\",11,null,1,[0,[]],{\"0\":[[null,5]],\"5\":[[[[null,1]],[\"gone\"]]]}]",
     "\",11,null,1,"},
    {"[\"CALL\",12,\"erase\",{\"name\":\"all/3\"}]", "[\"RESULT\",12,"},
    {"[\"CALL\",13,\"import\",{\"bytes\":{\"$bytes\":\"" IMPORT_A "\"},\"more\":1}]",
     "[\"RESULT\",13,"},
    {"[\"CALL\",14,\"import\",{\"bytes\":{\"$bytes\":\"" IMPORT_B "\"}}]", "[\"RESULT\",14,"},
    {"[\"CALL\",15,\"export\",{\"name\":\"all/@\"}]", "[\"END\",-"},
    {"[\"CALL\",16,\"retire\",{\"dry\":1}]", "[\"RESULT\",16,"},
    {"[\"CALL\",17,\"webhooks\",{}]", "[\"RESULT\",17,"},
    {"[\"CALL\",18,\"backup\",{}]", "[\"RESULT\",18,"},
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

void asker_begin(struct asker *asker, int round)
{
    asker_leave(asker);
    asker->done = false;
    asker->round = round;
}

bool asker_is_done(const struct asker *asker) { return asker->done; }

/* `text` has room for a time more. */
static void fill_in(const struct asker *asker, const char *packet, char text[TEXT_BYTES])
{
    size_t length = 0;
    for (const char *at = packet; *at != '\0' && length + TIME_DIGITS < TEXT_BYTES; at++) {
        if (*at == '#') {
            length += (size_t)snprintf(text + length, TEXT_BYTES - length, "%0*" PRIx64,
                                       TIME_DIGITS, asker->machine->now_ms);
        } else if (*at == '@' && length > 0 && text[length - 1] == '6') {
            text[length++] = (char)('1' + asker->round);
        } else {
            text[length++] = (char)(*at == '@' ? 'a' + asker->round : *at);
        }
    }
    text[length] = '\0';
}

static void say(struct asker *asker, const char *packet)
{
    char text[TEXT_BYTES];
    struct buffer message;
    buffer_init(&message, SIZE_MAX / 2);
    struct writer writer = writer_to(&message);
    fill_in(asker, packet, text);
    if (!json_packet_write(&writer, text)) {
        abort();
    }
    machine_say(asker->machine, asker->line, buffer_bytes(&message));
    buffer_finish(&message);
}

/* What nobody can help now may be asked again; and a fresh token may come too early. */
static void judge(struct asker *asker, struct bytes raw)
{
    static const char *const allowed[] = {"BUSY", "READ_ONLY", "UNAVAILABLE", "TOO_OFTEN"};
    struct reader reader = reader_of(raw);
    struct packet packet;
    if (!packet_read(&reader, &packet) || packet.kind != PACKET_ERROR) {
        return;
    }
    bool good = false;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        struct bytes code = {(const uint8_t *)allowed[i], strlen(allowed[i])};
        good = good || bytes_equal(packet.error.code, code);
    }
    if (!good) {
        machine_violation(asker->machine, "the asker is refused: %.*s: %.*s",
                          (int)packet.error.code.length, (const char *)packet.error.code.data,
                          (int)packet.error.text.length, (const char *)packet.error.text.data);
    }
}

static void listen(struct asker *asker, struct bytes message)
{
    struct reader reader = reader_of(message);
    struct writer writer = writer_to(&asker->heard);
    while (reader_ok(&reader) && reader.left.length > 0) {
        struct bytes raw = read_raw(&reader);
        judge(asker, raw);
        packet_write_json(&writer, raw);
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
