/* Sends commands to the controller of a study. */
#ifndef ESPALIER_CLIENT_CLIENT_H
#define ESPALIER_CLIENT_CLIENT_H

#include <espalier/error.h>
#include <espalier/message.h>

/* Sends the command, after choosing its id, and stores the controller's answer in `answer`. If
 * no controller runs in DIR, the command is recorded for the next one, and the answer says so.
 * Returns 0, the controller's negative errno with its message, or -ETIMEDOUT. */
int esp_client_command(const char *dir,
                       struct esp_command *command,
                       char answer[ESP_MESSAGE_TEXT_MAX],
                       struct esp_error *error);

#endif
