/* Sending a command to the controller of DIR and hearing its answer. */
#ifndef ESPALIER_CLIENT_CLIENT_H
#define ESPALIER_CLIENT_CLIENT_H

#include <espalier/error.h>
#include <espalier/message.h>

/* Sends the command (its id is chosen here) and says in `answer` what the controller did. Where
 * none lives in DIR, the command is recorded for the next one, and the answer says so. 0; a
 * negative errno from the controller, with its words; -ETIMEDOUT. */
int esp_client_command(const char *dir,
                       struct esp_command *command,
                       char answer[ESP_MESSAGE_TEXT_MAX],
                       struct esp_error *error);

#endif
