/* `espalier replay`: any sampler and scheduler on recorded trainings (DESIGN 9). */
#ifndef ESPALIER_REPLAY_REPLAY_H
#define ESPALIER_REPLAY_REPLAY_H

/* argv[0] is the verb. Returns the exit code: 0, 1 failure, 2 usage or a damaged table. */
int esp_replay_main(int argc, char **argv);

#endif
