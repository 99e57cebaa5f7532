/* Boot: how often the hub's machine was started, as Linux tells it: the linker leads `fopen` here
 * (`--wrap`), and the file of the boot's id is the simulation's. */
#ifndef SIMULATION_BOOT_H
#define SIMULATION_BOOT_H

/* The machine starts: its next id. `boot_reset` goes back to the first. */
void boot_next(void);
void boot_reset(void);

#endif
