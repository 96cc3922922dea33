/* Addresses of a controller, and the one that every study has.
 *
 * The local address is DIR/controller.sock, unless that path is longer than the name of a
 * socket may be (ESP_IPC_PATH_MAX); then it is HASH.sock in XDG_RUNTIME_DIR/espalier, or else
 * in /tmp/espalier-UID. HASH is XXH3 of DIR's canonical path. Such a folder is made with mode
 * 0700, and refused when it belongs to another user or others may enter it. */
#ifndef PROTO_TRANSPORT_ENDPOINT_H
#define PROTO_TRANSPORT_ENDPOINT_H

#include <espalier/error.h>
#include <espalier/limits.h>

/* "ipc://", a path, NUL. */
#define ESP_ENDPOINT_MAX (6 + ESP_IPC_PATH_MAX + 1)

/* One address that a router listens at or a dealer connects to. Strings and context are
 * borrowed for the duration of the call that takes the endpoint. */
struct esp_endpoint {
    const char *address; /* "ipc://PATH", "tcp://HOST:PORT" */
    /* NULL, or sets options of ZeroMQ's `socket` before the address is bound or connected, for
     * example CURVE keys. ZeroMQ gives a connection the options as they are at that moment, so
     * each endpoint of one router may have its own; what is set stays for the endpoints that
     * follow in the list. 0 or -errno. */
    int (*prepare)(void *context, void *socket);
    void *context;
};

/* Writes the local address of the study in `dir`, which must exist. -errno when DIR cannot be
 * opened; -EPERM: the folder for the socket is open to others; -ENAMETOOLONG: no folder has a
 * short enough name. */
int esp_endpoint_local(const char *dir, char out[ESP_ENDPOINT_MAX], struct esp_error *error);

#endif
