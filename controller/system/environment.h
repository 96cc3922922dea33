/* The environment of a program to start. */
#ifndef CONTROLLER_SYSTEM_ENVIRONMENT_H
#define CONTROLLER_SYSTEM_ENVIRONMENT_H

/* Copies this process's environment with the entries of `set` (NAME=VALUE, NULL-terminated) in
 * place of those of the same names. The entries are borrowed; the caller frees the array. NULL:
 * out of memory. */
char **esp_environment_with(char *const *set);

#endif
