#include "call.h"

#include <errno.h>

int esp_replay_call_check(const struct esp_replay_call *call, struct esp_error *error)
{
    bool calibrated = call->calibrate || call->calibration_path;
    bool risky = call->policy.risk > 0;
    int rc = esp_policy_check(&call->policy, error);
    if (rc < 0) {
        return rc;
    }
    if (call->calibrate && call->calibration_path) {
        return esp_error_set(
            error, -EINVAL, "--calibrate and --calibration: give only one of them");
    }
    if (calibrated && !risky && !esp_policy_has_inline_scheduler(&call->policy)) {
        return esp_error_set(error,
                             -EINVAL,
                             "--%s requires --risk R with R above 0, for example --risk 0.05",
                             call->calibrate ? "calibrate" : "calibration");
    }
    if (risky && !calibrated) {
        return esp_error_set(
            error, -EINVAL, "--risk requires --calibrate or --calibration FILE");
    }
    return 0;
}
