// See cuda_runtime_api.h.
#pragma once
#include <cuda_runtime_api.h>

using cusolverStatus_t = enum cusolverStatus { CUSOLVER_STATUS_SUCCESS };
