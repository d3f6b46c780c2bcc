// See cuda_runtime_api.h. Torch generates this file when it is built for CUDA.
#pragma once
