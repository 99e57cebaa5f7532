/*
 * Goal:   an Idempotency-Key stands for one request of one principal, whoever is asked and however
 * often. Method: claims on the real tables, as the writer makes them; the answers, read as packets
 * are.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "protocol/reader.h"
#include "protocol/replica.h"
#include "protocol/writer.h"
#include "server/storage/keys.h"

static sqlite3 *database;
static struct keys *keys;

static void start(void)
{
    cr_assert(eq(int, sqlite3_open(":memory:", &database), SQLITE_OK));
    cr_assert(eq(int, keys_prepare(database), SQLITE_OK));
    keys = keys_open(database);
    cr_assert(keys != NULL);
}

static void finish(void)
{
    keys_close(keys);
    (void)sqlite3_close(database);
}

TestSuite(keys, .init = start, .fini = finish);

struct asked {
    const char *principal;
    const char *key;
    const char *digest;
    uint8_t replica; /* all its bytes */
    uint64_t at_ms;
    uint64_t forget_ms;
};

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static int claim(const struct asked *asked, enum storage_claim *verdict, uint8_t *replica)
{
    uint8_t id[REPLICA_BYTES];
    struct buffer request;
    struct buffer answer;
    buffer_init(&request, 1024);
    buffer_init(&answer, 1024);
    struct writer writer = writer_to(&request);
    memset(id, asked->replica, sizeof id);
    write_array(&writer, 7);
    write_bin(&writer, text_bytes(asked->principal));
    write_bin(&writer, text_bytes(asked->key));
    write_bin(&writer, text_bytes(asked->digest));
    write_bin(&writer, (struct bytes){id, sizeof id});
    write_uint(&writer, asked->at_ms);
    write_uint(&writer, asked->forget_ms);
    write_uint(&writer, 3);
    int rc = keys_claim(keys, buffer_bytes(&request), &answer);
    struct reader reader = reader_of(buffer_bytes(&answer));
    (void)read_tuple(&reader, 2);
    *verdict = (enum storage_claim)read_uint(&reader);
    struct bytes got = read_bin(&reader, REPLICA_BYTES);
    *replica = got.length == REPLICA_BYTES ? got.data[0] : 0;
    buffer_finish(&request);
    buffer_finish(&answer);
    return rc;
}

static void expect(const struct asked *asked, enum storage_claim verdict, uint8_t replica)
{
    enum storage_claim got;
    uint8_t got_replica;
    cr_assert(eq(int, claim(asked, &got, &got_replica), SQLITE_OK));
    cr_expect(eq(int, (int)got, (int)verdict));
    cr_expect(eq(u8, got_replica, replica));
}

Test(keys, the_first_claim_names_the_replica_for_all_that_follow)
{
    expect(&(struct asked){"ann", "k", "d", 1, 10, 0}, CLAIM_NEW, 1);
    expect(&(struct asked){"ann", "k", "d", 2, 11, 0}, CLAIM_KNOWN, 1);
    expect(&(struct asked){"ann", "k", "other", 3, 12, 0}, CLAIM_OTHER, 1);
}

Test(keys, a_key_of_somebody_else_is_another_key)
{
    expect(&(struct asked){"ann", "k", "d", 1, 10, 0}, CLAIM_NEW, 1);
    expect(&(struct asked){"bob", "k", "e", 2, 10, 0}, CLAIM_NEW, 2);
    expect(&(struct asked){"", "k", "f", 3, 10, 0}, CLAIM_NEW, 3);
}

Test(keys, a_principal_has_so_many_and_no_more_until_the_old_ones_leave)
{
    expect(&(struct asked){"ann", "1", "d", 1, 10, 0}, CLAIM_NEW, 1);
    expect(&(struct asked){"ann", "2", "d", 2, 20, 0}, CLAIM_NEW, 2);
    expect(&(struct asked){"ann", "3", "d", 3, 30, 0}, CLAIM_NEW, 3);
    expect(&(struct asked){"ann", "4", "d", 4, 40, 10}, CLAIM_FULL, 4);
    expect(&(struct asked){"bob", "4", "d", 4, 40, 10}, CLAIM_NEW, 4);
    expect(&(struct asked){"ann", "3", "d", 4, 40, 10}, CLAIM_KNOWN, 3);
    expect(&(struct asked){"ann", "4", "d", 4, 40, 11}, CLAIM_NEW, 4);
    expect(&(struct asked){"ann", "1", "d", 5, 41, 11}, CLAIM_FULL, 5);
}

Test(keys, what_is_no_request_is_refused)
{
    struct buffer answer;
    buffer_init(&answer, 1024);
    static const uint8_t bad[] = {0x97, 0xc4, 0x00};
    cr_expect(eq(int, keys_claim(keys, (struct bytes){bad, sizeof bad}, &answer), SQLITE_MISMATCH));
    cr_expect(eq(sz, answer.length, 0));
    buffer_finish(&answer);
}
