/* Named limits of everything that grows, each with its arithmetic. */
#ifndef ESPALIER_LIMITS_H
#define ESPALIER_LIMITS_H

/* A file path, with its NUL; what Linux's PATH_MAX allows. */
#define ESP_PATH_MAX 4096

/* An ipc endpoint's path: sockaddr_un holds 108 bytes with the NUL, ZeroMQ prefixes nothing. */
#define ESP_IPC_PATH_MAX 100

/* Names of studies, parameters, metrics, settings, with the NUL. */
#define ESP_NAME_MAX 128

/* A text value of a parameter or setting, with the NUL. */
#define ESP_TEXT_MAX 1024

/* Searched and constant parameters in one study. The largest published sweeps search about 30.
 */
#define ESP_PARAMS_MAX 64

/* Values of one categorical parameter. */
#define ESP_CHOICES_MAX 1024

/* Trials in one study: 20 bits leaves the core's tables under 1 GiB (2^20 × < 1 KiB). */
#define ESP_TRIALS_MAX (1 << 20)

/* Curve points in one Report, and metrics in one point beyond value and train_loss.
 * 64 × (5 × 10 + 8 × (64 + 10)) bytes = 41 KiB < ESP_MESSAGE_MAX. */
#define ESP_REPORT_POINTS_MAX 64
#define ESP_MEASURES_MAX 8

/* One message on the wire, and the heap its decoding may take: the largest legal one is Exited
 * with 16 KiB of log, or Assign with 64 params + 64 settings × (128 + 1024) = 144 KiB. */
#define ESP_MESSAGE_MAX (256 * 1024)
#define ESP_MESSAGE_HEAP_MAX (1024 * 1024)

/* Last lines of a trial process's log kept with its end. */
#define ESP_LOG_TAIL_MAX (16 * 1024)

/* Text for people: a note, why a trial failed, a reply. */
#define ESP_MESSAGE_TEXT_MAX 2048

/* Members one trial process may host: 16 is measured, 64 leaves room. */
#define ESP_MEMBERS_MAX 64

/* Trial processes of one study at once: 5,000 CURVE peers were measured at 28 KB each. */
#define ESP_PROCESSES_MAX 4096
#define ESP_AGENTS_MAX 256

/* Devices, by name, whose speed is learnt apart; further ones are taken for the last. A study's
 * hosts have a handful of kinds; a table of 32 × 33 pointers (controller/stop/cost.c) is 8 KiB.
 */
#define ESP_DEVICE_CLASSES_MAX 32

/* Reports and saves a trial process keeps until they are acknowledged; at one report a second
 * this is an hour without a controller, far beyond a lease. When full, training waits. */
#define ESP_UNACKED_MAX 4096

/* Attempts of a trial in a row that brought no new report, before it is FAILED (DESIGN 3). */
#define ESP_FRUITLESS_ATTEMPTS_MAX 3

/* Trial processes in a row that may end before their Hello; then the study stops. */
#define ESP_EARLY_EXITS_MAX 3

/* Trials that failed in a study where none has ever reported, since it was opened: the next one
 * will fail too. */
#define ESP_FAILED_FIRST_MAX 10

/* Finished studies that a new one calibrates its discards on: at a risk of 0.05 these are fifty
 * times as many as it takes; their scores are one event of some 10 KB. */
#define ESP_CALIBRATION_MAX 1000

/* Folders or globs that `calibrate` may list. */
#define ESP_CALIBRATE_ENTRIES_MAX 256

/* Trials named by one Command. */
#define ESP_COMMAND_TRIALS_MAX 256

/* Group commit: whichever comes first (DESIGN 5). */
#define ESP_COMMIT_WAIT_MS 5
#define ESP_COMMIT_REPORTS_MAX 256

/* Liveness, milliseconds. A peer speaks at least every heartbeat. A trial process that hears
 * nothing for a lease saves and exits; the controller waits lease + margin before it gives the
 * trial to another, so that at most one unfenced attempt trains. */
#define ESP_HEARTBEAT_MS 2000
#define ESP_LEASE_MS 30000
#define ESP_LEASE_MARGIN_MS 5000

/* Stopping a process: SIGTERM, then grace for a checkpoint, then SIGKILL; what is still there
 * after a quarantine time blocks its slot. */
#define ESP_GRACE_MS 30000
#define ESP_QUARANTINE_MS 60000

/* An assignment unanswered this long counts as lost; building a large model takes a while. */
#define ESP_ANSWER_MS 60000

#endif
