// See cuda_runtime_api.h.
#pragma once
#include <cuda_runtime_api.h>

using cusparseHandle_t = struct cusparseContext*;
using cusparseStatus_t = enum cusparseStatus { CUSPARSE_STATUS_SUCCESS };
const char* cusparseGetErrorString(cusparseStatus_t status);
