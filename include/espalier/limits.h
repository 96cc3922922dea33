/* Limits of sizes, counts and times that several rooms share, each with its arithmetic. */
#ifndef ESPALIER_LIMITS_H
#define ESPALIER_LIMITS_H

/* A file path, with its NUL; what Linux's PATH_MAX allows. */
#define ESP_PATH_MAX 4096

/* The path of an ipc endpoint: sockaddr_un holds 108 bytes with the NUL, and ZeroMQ adds none.
 */
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

/* Trials in one study: with 2^20 trials of less than 1 KiB each, the core's tables stay below
 * 1 GiB. */
#define ESP_TRIALS_MAX (1 << 20)

/* Curve points in one Report, and further metrics of one point besides value and train_loss.
 * 64 × (5 × 10 + 8 × (64 + 10)) bytes = 41 KiB < ESP_MESSAGE_MAX. */
#define ESP_REPORT_POINTS_MAX 64
#define ESP_MEASURES_MAX 8

/* Bytes of one encoded message, and memory for decoding it. The largest valid message is an
 * Assign with 64 parameters + 64 settings of 128 + 1024 bytes = 144 KiB. */
#define ESP_MESSAGE_MAX (256 * 1024)
#define ESP_MESSAGE_HEAP_MAX (1024 * 1024)

/* Bytes of the end of a trial process's log that are recorded when it exits. */
#define ESP_LOG_TAIL_MAX (16 * 1024)

/* Text for people: a note, why a trial failed, a reply. */
#define ESP_MESSAGE_TEXT_MAX 2048

/* Trials that one trial process may train at once: 16 was measured, 64 leaves room. */
#define ESP_MEMBERS_MAX 64

/* Trial processes of one study at once: 5,000 connections with CURVE were measured, at 28 KB
 * each. */
#define ESP_PROCESSES_MAX 4096
#define ESP_AGENTS_MAX 256

/* Kinds of devices, by name, whose speeds are estimated separately; further kinds count as the
 * last one. The hosts of a study have a handful of kinds; the table of 32 × 33 pointers in
 * controller/stop/cost.c takes 8 KiB. */
#define ESP_DEVICE_CLASSES_MAX 32

/* Messages that a trial process keeps until they are acknowledged: at one report per second, an
 * hour without a controller, far more than a lease. Training waits when it is reached. */
#define ESP_UNACKED_MAX 4096

/* Consecutive attempts of a trial without a new report; then it is FAILED. */
#define ESP_FRUITLESS_ATTEMPTS_MAX 3

/* Consecutive trial processes that exit before their Hello; then the study stops. */
#define ESP_EARLY_EXITS_MAX 3

/* Trials that fail, since the study was opened, while none of its trials has ever reported;
 * then no more are created, because the next one would fail too. */
#define ESP_FAILED_FIRST_MAX 10

/* Finished studies on which a new study calibrates its discards: fifty times the number needed
 * at a risk of 0.05. Their scores make one event of about 10 KB. */
#define ESP_CALIBRATION_MAX 1000

/* Folders or globs in `early_terminate.calibrate`. */
#define ESP_CALIBRATE_ENTRIES_MAX 256

/* Trials in one Command. */
#define ESP_COMMAND_TRIALS_MAX 256

/* Group commit: a batch is committed after this time or with this many events, whichever comes
 * first. */
#define ESP_COMMIT_WAIT_MS 5
#define ESP_COMMIT_REPORTS_MAX 256

/* Liveness, in milliseconds. A peer sends a message at least once per heartbeat. A trial
 * process that receives nothing for a lease saves and exits; the controller waits for lease +
 * margin before it assigns the trial to another process, so that at most one valid attempt
 * trains. */
#define ESP_HEARTBEAT_MS 2000
#define ESP_LEASE_MS 30000
#define ESP_LEASE_MARGIN_MS 5000

/* Ending a process: the agent sends SIGTERM, and after a grace period for a checkpoint SIGKILL.
 * If the process still exists after the quarantine time, the controller orders the SIGKILL. */
#define ESP_GRACE_MS 30000
#define ESP_QUARANTINE_MS 60000

/* An assignment that is not answered within this time counts as lost. Building a large model
 * takes a part of it. */
#define ESP_ANSWER_MS 60000

#endif
