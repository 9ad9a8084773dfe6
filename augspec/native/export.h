// What Python may call.

#pragma once

#define AUGSPEC_EXPORT extern "C" __attribute__((visibility("default")))
