// See cuda_runtime_api.h.
#pragma once
#include <cuda_runtime_api.h>

using cublasHandle_t = struct cublasContext*;
using cublasStatus_t = enum cublasStatus { CUBLAS_STATUS_SUCCESS };
