/* Data: what `synclined` does to a data file that no hub uses, from its command line. */
#ifndef SERVER_DATA_H
#define SERVER_DATA_H

/* Puts a copy of the file `backup` in the place of `path`, and says so. The exit code. */
int data_restore(const char *backup, const char *path);

#endif
