/* espalier doctor: what this machine has, and what would keep a search from running. */
#include "../system/cpu_affinity.h"
#include "../view/buffer.h"
#include "../view/human.h"
#include "../view/json.h"
#include "../view/ledger.h"
#include "output.h"
#include "verb.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define DISK_LOW_BYTES 1e9
#define MEMORY_LOW_BYTES 1e9
/* 2024-01-01. A clock that is earlier was never set. */
#define CLOCK_EARLIEST 1704067200

struct checkup {
    struct esp_buffer out;
    bool json;
    int count;
    int faults;
};

enum health { GOOD, NOTICE, FAULT };

static void
report(struct checkup *checkup, enum health health, const char *name, const char *words)
{
    static const char *const marks[] = {"ok  ", "note", "BAD "};
    static const char *const names[] = {"ok", "note", "bad"};
    checkup->faults += health == FAULT;
    if (checkup->json) {
        esp_buffer_addf(&checkup->out,
                        "%s{\"check\":\"%s\",\"result\":\"%s\",\"words\":",
                        checkup->count++ ? ",\n " : "",
                        name,
                        names[health]);
        esp_json_string(&checkup->out, words);
        esp_buffer_add(&checkup->out, "}");
    } else {
        esp_buffer_addf(&checkup->out, "%s  %-9s %s\n", marks[health], name, words);
    }
}

static void check_machine(struct checkup *checkup)
{
    struct esp_buffer words = {0};
    esp_buffer_addf(&words, "%d usable", esp_cpu_affinity_count());
    report(checkup, GOOD, "cores", esp_buffer_get(&words));
    struct sysinfo info;
    if (sysinfo(&info) == 0) {
        double free_bytes = (double)(info.freeram + info.bufferram) * info.mem_unit;
        char line[256];
        FILE *meminfo = fopen("/proc/meminfo", "re");
        long long kilobytes;
        while (meminfo && fgets(line, sizeof line, meminfo)) {
            if (sscanf(line, "MemAvailable: %lld", &kilobytes) == 1) {
                free_bytes = 1024.0 * (double)kilobytes;
            }
        }
        if (meminfo) {
            fclose(meminfo);
        }
        esp_buffer_clear(&words);
        esp_human_count(&words, free_bytes);
        esp_buffer_add(&words, "B of ");
        esp_human_count(&words, (double)info.totalram * info.mem_unit);
        esp_buffer_add(&words, "B available");
        report(checkup, free_bytes < MEMORY_LOW_BYTES ? NOTICE : GOOD, "memory", words.data);
    }
    time_t now = time(NULL);
    bool sane = now > CLOCK_EARLIEST;
    report(checkup, sane ? GOOD : FAULT, "clock", sane ? "set" : "far in the past; set it");
    esp_buffer_release(&words);
}

static void check_folder(struct checkup *checkup, const char *dir)
{
    struct esp_buffer words = {0};
    struct statvfs disk;
    if (statvfs(dir, &disk) == 0) {
        double bytes = (double)disk.f_bavail * (double)disk.f_frsize;
        esp_human_count(&words, bytes);
        esp_buffer_addf(&words, "B free in %s", dir);
        report(checkup, bytes < DISK_LOW_BYTES ? NOTICE : GOOD, "disk", esp_buffer_get(&words));
    }
    esp_buffer_clear(&words);
    if (access(dir, W_OK) == 0) {
        esp_buffer_addf(&words, "%s is writable", dir);
        report(checkup, GOOD, "folder", esp_buffer_get(&words));
    } else {
        esp_buffer_addf(&words, "%s: %s; name another with --dir", dir, strerror(errno));
        report(checkup, FAULT, "folder", esp_buffer_get(&words));
    }
    esp_buffer_release(&words);
}

/* Versions are read through linked symbols, so that cli needs none of the headers. */
static void check_libraries(struct checkup *checkup)
{
    struct esp_buffer words = {0};
    void (*zmq)(int *, int *, int *) = NULL;
    const char *(*sqlite)(void) = NULL;
    char *(*blas)(void) = NULL;
    *(void **)&zmq = dlsym(RTLD_DEFAULT, "zmq_version");
    *(void **)&sqlite = dlsym(RTLD_DEFAULT, "sqlite3_libversion");
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    *(void **)&blas = library ? dlsym(library, "openblas_get_config") : NULL;
    if (zmq) {
        int major, minor, patch;
        zmq(&major, &minor, &patch);
        esp_buffer_addf(&words, "ZeroMQ %d.%d.%d, ", major, minor, patch);
    }
    esp_buffer_addf(&words, "SQLite %s", sqlite ? sqlite() : "missing");
    report(checkup, zmq && sqlite ? GOOD : FAULT, "libraries", esp_buffer_get(&words));
    report(checkup,
           blas ? GOOD : FAULT,
           "BLAS",
           blas ? blas() : "libopenblas.so.0 cannot be opened; ./setup installs it");
    if (library) {
        dlclose(library);
    }
    esp_buffer_release(&words);
}

static void check_cuda(struct checkup *checkup)
{
    struct esp_buffer words = {0};
    int (*init)(unsigned) = NULL, (*count)(int *) = NULL, (*name)(char *, int, int) = NULL;
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (driver) {
        *(void **)&init = dlsym(driver, "cuInit");
        *(void **)&count = dlsym(driver, "cuDeviceGetCount");
        *(void **)&name = dlsym(driver, "cuDeviceGetName");
    }
    int devices = 0, rc = init ? init(0) : -1;
    if (rc == 0 && count && count(&devices) == 0 && devices > 0) {
        for (int i = 0; i < devices; i++) {
            char text[128] = "?";
            if (name) {
                name(text, sizeof text, i);
            }
            esp_buffer_addf(&words, "%s%s", i ? ", " : "", text);
        }
        report(checkup, GOOD, "GPU", esp_buffer_get(&words));
    } else if (driver) {
        esp_buffer_addf(
            &words, "the CUDA driver is installed but finds no device (cuInit: %d)", rc);
        report(checkup, NOTICE, "GPU", esp_buffer_get(&words));
    } else {
        report(checkup, NOTICE, "GPU", "no CUDA driver: trials train on the CPU");
    }
    if (driver) {
        dlclose(driver);
    }
    esp_buffer_release(&words);
}

static void check_trial(struct checkup *checkup)
{
    char path[ESP_PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof "-trial");
    if (length > 0) {
        path[length] = '\0';
        strcat(path, "-trial");
    }
    bool there = access(path, X_OK) == 0;
    report(checkup,
           there ? GOOD : FAULT,
           "programs",
           there ? "espalier-trial is in the folder of espalier"
                 : "espalier-trial is not in the folder of espalier: build or install both");
}

static int examine(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct checkup checkup = {.json = arguments->json};
    const char *dir = arguments->operand_count > 0 ? arguments->operands[0] : ".";
    if (checkup.json) {
        esp_buffer_add(&checkup.out, "[");
    }
    check_machine(&checkup);
    check_folder(&checkup, dir);
    check_libraries(&checkup);
    check_cuda(&checkup);
    check_trial(&checkup);
    if (checkup.json) {
        esp_buffer_add(&checkup.out, "]\n");
    }
    int code = esp_print(&checkup.out, error);
    esp_buffer_release(&checkup.out);
    if (code == 0 && checkup.faults > 0) {
        esp_error_set(error, 0, "%d of these checks failed.", checkup.faults);
        code = ESP_EXIT_FAILURE;
    }
    return code;
}

const struct esp_cli_verb esp_cli_row_doctor = {
    .name = "doctor",
    .operands = "[DIR]",
    .operand_min = 0,
    .operand_max = 1,
    .summary = "Check this machine: cores, memory, disk, libraries, GPU",
    .details = "DIR is the folder in which a study would be kept; default: the "
               "current folder. The exit code is 1 when something would keep a "
               "search from running.",
    .options = {ESP_OPTION_JSON},
    .main = examine,
};
