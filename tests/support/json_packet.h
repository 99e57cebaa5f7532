/* Packets written as JSON (docs/protocol.md, section 5), so that tests read like transcripts. */
#ifndef TESTS_JSON_PACKET_H
#define TESTS_JSON_PACKET_H

#include "protocol/writer.h"

/* Appends the packets of the text, which is one packet or several back to back. False: not such a
 * text. */
bool json_packet_write(struct writer *writer, const char *text);

/* Appends one value of the same form. */
bool json_value_write(struct writer *writer, const char *text);

#endif
