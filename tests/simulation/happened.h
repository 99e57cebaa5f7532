/* What happened in runs, counted by its kind: nobody is to believe in a fault that never comes. */
#ifndef SIMULATION_HAPPENED_H
#define SIMULATION_HAPPENED_H

#include <stddef.h>
#include <stdio.h>

#define HAPPENED_LIST(X)                                                                           \
    X(EDIT, "edits")                                                                               \
    X(REFUSED, "edits refused by the hub")                                                         \
    X(REPORTED, "refusals told to a user")                                                         \
    X(OWN_REFUSAL, "edits refused by the device itself")                                           \
    X(RESERVE, "reservations and releases")                                                        \
    X(RECONNECT, "connections")                                                                    \
    X(REPEAT, "messages sent twice")                                                               \
    X(GARBAGE, "messages that are none")                                                           \
    X(RESTART, "devices started again")                                                            \
    X(ROLL_BACK, "stores rolled back")                                                             \
    X(COPY, "stores copied")                                                                       \
    X(FOREIGN, "updates refused for a replica that is another's")                                  \
    X(NOT_ALLOWED, "edits refused for want of a right")                                            \
    X(MOVED, "outboxes moved to a fresh replica behind lost edits")                                \
    X(CLOSE, "documents closed on a line that stays")                                              \
    X(TOKEN_REFUSED, "tokens refused")                                                             \
    X(TOKEN_EXPIRED, "tokens that ended on a connection")                                          \
    X(TOKEN_ASKED, "tokens asked for before their end")                                            \
    X(TOKEN_RENEWED, "tokens renewed")                                                             \
    X(PRESENCE, "words of who is here")                                                            \
    X(STATE, "whole states sent")                                                                  \
    X(CALL, "calls")                                                                               \
    X(FORBIDDEN, "calls that were forbidden")                                                      \
    X(LONG, "names too long for one packet")                                                       \
    X(TRANSFER, "snapshots and updates in pieces")                                                 \
    X(RESEND, "outboxes sent again")                                                               \
    X(START, "starts of the hub")                                                                  \
    X(NO_START, "starts of the hub that failed")                                                   \
    X(KILL, "deaths of the hub's process")                                                         \
    X(POWER, "power losses")                                                                       \
    X(CUT, "deaths of the hub in a write")                                                         \
    X(BLOCKED, "sockets that took no more")                                                        \
    X(PAUSED, "pauses in reading")                                                                 \
    X(DISK_FAILED, "calls of the disk that failed")                                                \
    X(DISK_FULL, "writes to a full disk")                                                          \
    X(READ_ONLY, "updates sent back by a hub that cannot write")                                   \
    X(NO_MEMORY, "allocations that failed")                                                        \
    X(BACKUP, "backups made")                                                                      \
    X(RESTORE, "backups restored")                                                                 \
    X(LOST_END, "journals that lost their end, relaxed")                                           \
    X(SLOW, "clients that read nothing while others wrote")                                        \
    X(OUT_OF_MEMORY, "ends of the hub for want of memory")                                         \
    X(RELOAD, "reloads of other schemas")

enum happened {
#define X(name, text) HAPPENED_##name,
    HAPPENED_LIST(X)
#undef X
        HAPPENED_KINDS
};

const char *happened_text(enum happened kind);

/* One line for each kind. */
void happened_print(const size_t counts[HAPPENED_KINDS], FILE *out);

#endif
