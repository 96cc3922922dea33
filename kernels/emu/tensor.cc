/* Tensor core instructions, from the layouts of the PTX manual (mma.m16n8k16, ldmatrix).
 *
 * With g = lane / 4 and t = lane % 4 a lane holds
 *   A  rows g and g + 8 (registers 0, 2 and 1, 3), columns 2t, 2t + 1 (0, 1) and + 8 (2, 3)
 *   B  rows 2t, 2t + 1 (register 0) and + 8 (1), column g
 *   D  rows g (values 0, 1) and g + 8 (2, 3), columns 2t, 2t + 1 */
#include "emu.h"

/* Registers of one lane's operands. */
struct operands {
    uint32_t a[4], b[2];
};

static float half_of(uint32_t word, int high, bool is_bf16)
{
    const uint16_t bits = (uint16_t)(high ? word >> 16 : word);
    return is_bf16 ? __bfloat162float(bf16{bits}) : __half2float(fp16{bits});
}

void esp_emu_mma_16816(float d[4], const uint32_t a[4], const uint32_t b[2], bool is_bf16)
{
    struct operands mine;
    struct esp_emu_lane word = {};
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    memcpy(&word, &mine, sizeof mine);
    const struct esp_emu_lane *all = esp_emu_exchange(&word);
    const int lane = esp_emu_lane_index();
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        float sum = d[i];
        for (int k = 0; k < 16; k++) {
            struct operands of_a, of_b;
            memcpy(&of_a, &all[row % 8 * 4 + k % 8 / 2], sizeof of_a);
            memcpy(&of_b, &all[column * 4 + k % 8 / 2], sizeof of_b);
            sum += half_of(of_a.a[row / 8 + k / 8 * 2], k % 2, is_bf16) *
                   half_of(of_b.b[k / 8], k % 2, is_bf16);
        }
        d[i] = sum;
    }
}

void esp_emu_ldmatrix(uint32_t r[4], const void *row, bool transposed)
{
    struct esp_emu_lane mine = {};
    assert((uintptr_t)row % 16 == 0);
    memcpy(&mine, &row, sizeof row);
    const struct esp_emu_lane *all = esp_emu_exchange(&mine);
    const int lane = esp_emu_lane_index();
    for (int matrix = 0; matrix < 4; matrix++) {
        uint16_t value[2];
        for (int i = 0; i < 2; i++) {
            const int at_row = transposed ? lane % 4 * 2 + i : lane / 4;
            const int at_column = transposed ? lane / 4 : lane % 4 * 2 + i;
            const uint16_t *from;
            memcpy(&from, &all[matrix * 8 + at_row], sizeof from);
            value[i] = from[at_column];
        }
        r[matrix] = value[0] | (uint32_t)value[1] << 16;
    }
}

float esp_emu_half_to_float(uint16_t bits)
{
    const int exponent = bits >> 10 & 31;
    const int fraction = bits & 1023;
    const float sign = bits & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) {
        return fraction ? NAN : sign * INFINITY;
    }
    return sign * (exponent ? ldexpf((float)(fraction + 1024), exponent - 25)
                            : ldexpf((float)fraction, -24));
}

/* Rounds to nearest even; 65520 and larger become infinite. */
uint16_t esp_emu_half_from_float(float f)
{
    const uint16_t sign = signbit(f) ? 0x8000 : 0;
    const float size = fabsf(f);
    if (isnan(f)) {
        return 0x7fff;
    }
    if (size >= 65520.0f) {
        return sign | 0x7c00;
    }
    int exponent = 0;
    frexpf(size, &exponent); /* size = x · 2^exponent, x in [0.5, 1) */
    const int unit = exponent - 11 < -24 ? -24 : exponent - 11;
    const int steps = (int)nearbyintf(ldexpf(size, -unit)); /* of 2^unit, ≤ 2048 */
    if (steps < 1024) {
        return sign | (uint16_t)steps; /* subnormal */
    }
    return sign | (uint16_t)((unit + 25) * 1024 + (steps - 1024));
}
