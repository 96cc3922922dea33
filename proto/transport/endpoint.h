/* Where a study's controller listens: the same name for whoever asks.
 *
 * DIR/controller.sock, unless that path is longer than a socket's name may be
 * (ESP_IPC_PATH_MAX); then HASH.sock in XDG_RUNTIME_DIR/espalier or else in /tmp/espalier-UID,
 * HASH being XXH3 of DIR's canonical path. Such a folder is made with mode 0700, and refused
 * when it is another user's or open to others. */
#ifndef PROTO_TRANSPORT_ENDPOINT_H
#define PROTO_TRANSPORT_ENDPOINT_H

#include <espalier/error.h>
#include <espalier/limits.h>

/* "ipc://", a path, NUL. */
#define ESP_ENDPOINT_MAX (6 + ESP_IPC_PATH_MAX + 1)

/* The endpoint of the study in `dir`, which must exist. -errno of looking at DIR; -EPERM: a
 * folder that others could reach is in the way; -ENAMETOOLONG: no folder with a short enough
 * name. */
int esp_endpoint(const char *dir, char out[ESP_ENDPOINT_MAX], struct esp_error *error);

#endif
