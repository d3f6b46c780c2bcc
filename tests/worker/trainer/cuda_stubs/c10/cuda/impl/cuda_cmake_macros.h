// See cuda_runtime_api.h; torch makes this file when it is built for CUDA.
#pragma once
