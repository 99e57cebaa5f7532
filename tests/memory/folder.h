/*
 * Folder: where a run has its files, under a name of its own; in memory where the machine has
 * /dev/shm.
 */
#ifndef TESTS_MEMORY_FOLDER_H
#define TESTS_MEMORY_FOLDER_H

enum { FOLDER_PATH_BYTES = 64 };

/* Before all else; ends the program where it cannot be made. */
void folder_make(void);

/* Of a file in it. */
void folder_file(char path[FOLDER_PATH_BYTES], const char *name);

/* Whatever the files are called that a play, or a process that died of it, has left. */
void folder_empty(void);

void folder_remove(void);

#endif
