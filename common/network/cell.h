// Cells: small graphs whose nodes are sums and whose edges are operations, as in NAS-Bench-201 and
// NATS-Bench.
#pragma once

#include <string>
#include <vector>

#include "common/network/graph.h"

namespace layernas::network {

// Adds activation, convolution and normalization.
Value ActivatedConv(GraphBuilder& builder, Value input, int channels, int kernel, int stride);

// `edges` has the operation of each edge, ordered by end node, then by start node: 0→1, 0→2, 1→2,
// 0→3, 1→3, 2→3, … Node 0 is the input and the last node is the output; each has `channels`
// channels. Operations: none, skip_connect, avg_pool_3x3, nor_conv_1x1, nor_conv_3x3. Operations
// without effect on the output are also built, as in the benchmarks, whose counts include them.
// Throws InfeasibleError for another operation or an invalid number of edges (valid: 1, 3, 6, 10,
// …).
Value AddCell(GraphBuilder& builder, Value input, int channels, const std::vector<std::string>& edges);

}  // namespace layernas::network
