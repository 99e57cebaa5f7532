/*
 * Folder: where a test has the files that its configuration names; it is also where the process
 * runs, so that they have no path.
 */
#ifndef TESTS_CONFIG_FOLDER_H
#define TESTS_CONFIG_FOLDER_H

#include "server/config.h"

void folder_make(void);
void folder_remove(void); /* and all that is in it */

void folder_write(const char *name, const char *text);

/* Reads that text as the file `hub.yaml`; the caller finishes both. */
bool folder_read(const char *text, struct config *config, struct buffer *mistakes);

#endif
