// Cells: small graphs whose nodes are sums and whose edges are operations, as in NAS-Bench-201 and NATS-Bench.
#pragma once

#include <string>
#include <vector>

#include "common/network/graph.h"

namespace layernas::network {

// Activation, convolution, normalization.
Value ActivatedConv(GraphBuilder& builder, Value input, int channels, int kernel, int stride);

// `edges` names the operation of each edge, ordered by where the edge ends, then by where it begins: 0→1, 0→2, 1→2,
// 0→3, 1→3, 2→3, … Node 0 is the input, the last one the output; its channels are `channels`. Operations: none,
// skip_connect, avg_pool_3x3, nor_conv_1x1, nor_conv_3x3. What leads nowhere is built nevertheless, as in the
// benchmarks, whose counts include it. Throws InfeasibleError for another operation or a number of edges that makes no
// cell (1, 3, 6, 10, …).
Value AddCell(GraphBuilder& builder, Value input, int channels, const std::vector<std::string>& edges);

}  // namespace layernas::network
