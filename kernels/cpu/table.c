/* The op table of one build of these sources. */
#include "cpu.h"
#include "levels.h"

void ESP_CPU(fill)(struct esp_kernels *kernels)
{
    kernels->real_bytes = sizeof(real);
    kernels->activation_bytes = sizeof(real);
    kernels->embed_forward = ESP_CPU(embed_forward);
    kernels->embed_backward = ESP_CPU(embed_backward);
    kernels->norm_forward = ESP_CPU(norm_forward);
    kernels->norm_backward = ESP_CPU(norm_backward);
    kernels->linear_forward = ESP_CPU(linear_forward);
    kernels->linear_backward_input = ESP_CPU(linear_backward_input);
    kernels->linear_backward_weight = ESP_CPU(linear_backward_weight);
    kernels->activation_forward = ESP_CPU(activation_forward);
    kernels->attention_forward = ESP_CPU(attention_forward);
    kernels->attention_backward = ESP_CPU(attention_backward);
    kernels->cross_entropy = ESP_CPU(cross_entropy);
    kernels->adamw = ESP_CPU(adamw);
    kernels->sgd = ESP_CPU(sgd);
}
