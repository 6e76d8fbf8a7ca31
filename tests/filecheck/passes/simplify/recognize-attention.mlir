// RUN: octet-opt %s -p "recognize-attention" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "recognize-attention,recognize-attention" --split-input-file | filecheck %s

// A scaled and masked product. The names of all layers are kept.
// CHECK-LABEL: @recognizes
// CHECK-NOT:   nn.softmax
// CHECK:       nn.attention %q, %k, %v, mask = %mask <heads = 3, scale = 0.5> {absorbed = ["q4", "qt", "k4", "kt", "v4", "vt", "qk", "scale", "add", "softmax", "av", "merge"], layer = "join"}
// CHECK-NEXT:  func.return
func.func @recognizes(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %mask : tensor<2x1x1x8xf32>) -> (tensor<2x8x12xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> {layer = "q4"} : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> {layer = "qt"} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> {layer = "k4"} : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> {layer = "kt"} : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> {layer = "v4"} : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> {layer = "vt"} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt {layer = "qk"} : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %1 = nn.div %0, %c {layer = "scale"} : (tensor<2x3x8x8xf32>, tensor<f32>) -> tensor<2x3x8x8xf32>
  %2 = nn.add %1, %mask {layer = "add"} : (tensor<2x3x8x8xf32>, tensor<2x1x1x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> {layer = "softmax"} : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt {layer = "av"} : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> {layer = "merge"} : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> {layer = "join"} : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6 : tensor<2x8x12xf32>
}

// -----

// The scale on the queries, the mask on the left.
// CHECK-LABEL: @scaled_queries
// CHECK:       nn.attention %q, %k, %v, mask = %mask <heads = 3, scale = 2.0> :
// CHECK-NEXT:  func.return
func.func @scaled_queries(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %mask : tensor<2x1x1x8xf32>) -> (tensor<2x8x12xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %qs = nn.mul %c, %qt : (tensor<f32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qs, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %2 = nn.add %mask, %0 : (tensor<2x1x1x8xf32>, tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6 : tensor<2x8x12xf32>
}

// -----

// The scale on the keys, which are transposed in two steps; no mask.
// CHECK-LABEL: @scaled_keys
// CHECK:       nn.attention %q, %k, %v <heads = 3, scale = 0.5> :
// CHECK-NEXT:  func.return
func.func @scaled_keys(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>) -> (tensor<2x8x12xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %k1 = nn.transpose %k4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %ks = nn.div %k1, %c : (tensor<2x3x8x4xf32>, tensor<f32>) -> tensor<2x3x8x4xf32>
  %kt = nn.transpose %ks <permutation = [0, 1, 3, 2]> : (tensor<2x3x8x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %0 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6 : tensor<2x8x12xf32>
}

// -----

// No scale, and a mask per query.
// CHECK-LABEL: @no_scale
// CHECK:       nn.attention %q, %k, %v, mask = %mask <heads = 3, scale = 1.0> :
// CHECK-NEXT:  func.return
func.func @no_scale(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %mask : tensor<8x8xf32>) -> (tensor<2x8x12xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %2 = nn.add %0, %mask : (tensor<2x3x8x8xf32>, tensor<8x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6 : tensor<2x8x12xf32>
}

// -----

// Softmax along the queries.
// CHECK-LABEL: @other_axis
// CHECK-NOT:   nn.attention
func.func @other_axis(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %mask : tensor<2x1x1x8xf32>) -> (tensor<2x8x12xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %1 = nn.div %0, %c : (tensor<2x3x8x8xf32>, tensor<f32>) -> tensor<2x3x8x8xf32>
  %2 = nn.add %1, %mask : (tensor<2x3x8x8xf32>, tensor<2x1x1x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 2> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6 : tensor<2x8x12xf32>
}

// -----

// The weights are an output.
// CHECK-LABEL: @output
// CHECK-NOT:   nn.attention
func.func @output(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %mask : tensor<2x1x1x8xf32>) -> (tensor<2x8x12xf32>, tensor<2x3x8x8xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %1 = nn.div %0, %c : (tensor<2x3x8x8xf32>, tensor<f32>) -> tensor<2x3x8x8xf32>
  %2 = nn.add %1, %mask : (tensor<2x3x8x8xf32>, tensor<2x1x1x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6, %3 : tensor<2x8x12xf32>, tensor<2x3x8x8xf32>
}

// -----

// The scores before the mask are an output.
// CHECK-LABEL: @scores_used
// CHECK-NOT:   nn.attention
func.func @scores_used(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %mask : tensor<2x1x1x8xf32>) -> (tensor<2x8x12xf32>, tensor<2x3x8x8xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %1 = nn.div %0, %c : (tensor<2x3x8x8xf32>, tensor<f32>) -> tensor<2x3x8x8xf32>
  %2 = nn.add %1, %mask : (tensor<2x3x8x8xf32>, tensor<2x1x1x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6, %1 : tensor<2x8x12xf32>, tensor<2x3x8x8xf32>
}

// -----

// Samples and queries change places in the result.
// CHECK-LABEL: @other_order
// CHECK-NOT:   nn.attention
func.func @other_order(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %mask : tensor<2x1x1x8xf32>) -> (tensor<8x2x12xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %1 = nn.div %0, %c : (tensor<2x3x8x8xf32>, tensor<f32>) -> tensor<2x3x8x8xf32>
  %2 = nn.add %1, %mask : (tensor<2x3x8x8xf32>, tensor<2x1x1x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [2, 0, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<8x2x3x4xf32>
  %6 = nn.reshape %5 <shape = [8, -1, 12]> : (tensor<8x2x3x4xf32>) -> tensor<8x2x12xf32>
  func.return %6 : tensor<8x2x12xf32>
}

// -----

// A mask with one number per query, not per key.
// CHECK-LABEL: @row_mask
// CHECK-NOT:   nn.attention
func.func @row_mask(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %mask : tensor<2x1x8x1xf32>) -> (tensor<2x8x12xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %1 = nn.div %0, %c : (tensor<2x3x8x8xf32>, tensor<f32>) -> tensor<2x3x8x8xf32>
  %2 = nn.add %1, %mask : (tensor<2x3x8x8xf32>, tensor<2x1x8x1xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6 : tensor<2x8x12xf32>
}

// -----

// Two dimensions are split into heads that are no columns of one.
// CHECK-LABEL: @no_columns
// CHECK-NOT:   nn.attention
func.func @no_columns(%q : tensor<2x3x32xf32>, %k : tensor<2x3x32xf32>, %v : tensor<2x3x32xf32>) -> tensor<2x8x12xf32> {
  %qt = nn.reshape %q <shape = [2, 3, 8, 4]> : (tensor<2x3x32xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [2, 3, 8, 4]> : (tensor<2x3x32xf32>) -> tensor<2x3x8x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 1, 3, 2]> : (tensor<2x3x8x4xf32>) -> tensor<2x3x4x8xf32>
  %vt = nn.reshape %v <shape = [2, 3, 8, 4]> : (tensor<2x3x32xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %1 = nn.softmax %0 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %2 = nn.matmul %1, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %3 = nn.transpose %2 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %4 = nn.reshape %3 <shape = [2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %4 : tensor<2x8x12xf32>
}

// -----

// The sequence comes first, and samples and heads are one dimension.
// CHECK-LABEL: @sequence_first
// CHECK-NOT:   nn.softmax
// CHECK:       %[[Q:.*]] = nn.transpose %q <permutation = [1, 0, 2]>
// CHECK-NEXT:  %[[K:.*]] = nn.transpose %k <permutation = [1, 0, 2]>
// CHECK-NEXT:  %[[V:.*]] = nn.transpose %v <permutation = [1, 0, 2]>
// CHECK-NEXT:  %[[A:.*]] = nn.attention %[[Q]], %[[K]], %[[V]]{{.*}} <heads = 3, scale = 1.0> : 
// CHECK-NEXT:  %[[T:.*]] = nn.transpose %[[A]] <permutation = [1, 0, 2]>
// CHECK-NEXT:  nn.reshape %[[T]] <shape = [-1, 12]>
// CHECK-NEXT:  func.return
func.func @sequence_first(%q : tensor<8x2x12xf32>, %k : tensor<8x2x12xf32>, %v : tensor<8x2x12xf32>, %mask : tensor<8x8xf32>) -> tensor<16x12xf32> {
  %qs = nn.reshape %q <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %ks = nn.reshape %k <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %vs = nn.reshape %v <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %qt = nn.transpose %qs <permutation = [1, 0, 2]> : (tensor<8x6x4xf32>) -> tensor<6x8x4xf32>
  %vt = nn.transpose %vs <permutation = [1, 0, 2]> : (tensor<8x6x4xf32>) -> tensor<6x8x4xf32>
  %kt = nn.transpose %ks <permutation = [1, 2, 0]> : (tensor<8x6x4xf32>) -> tensor<6x4x8xf32>
  %0 = nn.matmul %qt, %kt : (tensor<6x8x4xf32>, tensor<6x4x8xf32>) -> tensor<6x8x8xf32>
  %1 = nn.add %0, %mask : (tensor<6x8x8xf32>, tensor<8x8xf32>) -> tensor<6x8x8xf32>
  %2 = nn.softmax %1 <axis = 2> : (tensor<6x8x8xf32>) -> tensor<6x8x8xf32>
  %3 = nn.matmul %2, %vt : (tensor<6x8x8xf32>, tensor<6x8x4xf32>) -> tensor<6x8x4xf32>
  %4 = nn.transpose %3 <permutation = [1, 0, 2]> : (tensor<6x8x4xf32>) -> tensor<8x6x4xf32>
  %5 = nn.reshape %4 <shape = [-1, 12]> : (tensor<8x6x4xf32>) -> tensor<16x12xf32>
  func.return %5 : tensor<16x12xf32>
}

// -----

// The same, with samples and heads apart in the products.
// CHECK-LABEL: @sequence_first_split
// CHECK-NOT:   nn.softmax
// CHECK:       %[[Q:.*]] = nn.transpose %q <permutation = [1, 0, 2]>
// CHECK-NEXT:  %[[K:.*]] = nn.transpose %k <permutation = [1, 0, 2]>
// CHECK-NEXT:  %[[V:.*]] = nn.transpose %v <permutation = [1, 0, 2]>
// CHECK-NEXT:  %[[A:.*]] = nn.attention %[[Q]], %[[K]], %[[V]]{{.*}} <heads = 3, scale = 1.0> : 
// CHECK-NEXT:  %[[T:.*]] = nn.transpose %[[A]] <permutation = [1, 0, 2]>
// CHECK-NEXT:  nn.reshape %[[T]] <shape = [-1, 12]>
// CHECK-NEXT:  func.return
func.func @sequence_first_split(%q : tensor<8x2x12xf32>, %k : tensor<8x2x12xf32>, %v : tensor<8x2x12xf32>) -> tensor<16x12xf32> {
  %qs = nn.reshape %q <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %ks = nn.reshape %k <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %vs = nn.reshape %v <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %qt = nn.transpose %qs <permutation = [1, 0, 2]> : (tensor<8x6x4xf32>) -> tensor<6x8x4xf32>
  %q4 = nn.reshape %qt <shape = [-1, 3, 8, 4]> : (tensor<6x8x4xf32>) -> tensor<2x3x8x4xf32>
  %kt = nn.transpose %ks <permutation = [1, 0, 2]> : (tensor<8x6x4xf32>) -> tensor<6x8x4xf32>
  %k4 = nn.reshape %kt <shape = [-1, 3, 8, 4]> : (tensor<6x8x4xf32>) -> tensor<2x3x8x4xf32>
  %vt = nn.transpose %vs <permutation = [1, 0, 2]> : (tensor<8x6x4xf32>) -> tensor<6x8x4xf32>
  %v4 = nn.reshape %vt <shape = [-1, 3, 8, 4]> : (tensor<6x8x4xf32>) -> tensor<2x3x8x4xf32>
  %kt4 = nn.transpose %k4 <permutation = [0, 1, 3, 2]> : (tensor<2x3x8x4xf32>) -> tensor<2x3x4x8xf32>
  %0 = nn.matmul %q4, %kt4 : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %2 = nn.softmax %0 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.matmul %2, %v4 : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %4 = nn.transpose %3 <permutation = [2, 0, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<8x2x3x4xf32>
  %5 = nn.reshape %4 <shape = [-1, 12]> : (tensor<8x2x3x4xf32>) -> tensor<16x12xf32>
  func.return %5 : tensor<16x12xf32>
}

// -----

// A mask per sample and head, where these are one dimension.
// CHECK-LABEL: @mask_by_sample
// CHECK-NOT:   nn.attention
func.func @mask_by_sample(%q : tensor<8x2x12xf32>, %k : tensor<8x2x12xf32>, %v : tensor<8x2x12xf32>, %mask : tensor<6x8x8xf32>) -> tensor<16x12xf32> {
  %qs = nn.reshape %q <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %ks = nn.reshape %k <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %vs = nn.reshape %v <shape = [8, -1, 4]> : (tensor<8x2x12xf32>) -> tensor<8x6x4xf32>
  %qt = nn.transpose %qs <permutation = [1, 0, 2]> : (tensor<8x6x4xf32>) -> tensor<6x8x4xf32>
  %vt = nn.transpose %vs <permutation = [1, 0, 2]> : (tensor<8x6x4xf32>) -> tensor<6x8x4xf32>
  %kt = nn.transpose %ks <permutation = [1, 2, 0]> : (tensor<8x6x4xf32>) -> tensor<6x4x8xf32>
  %0 = nn.matmul %qt, %kt : (tensor<6x8x4xf32>, tensor<6x4x8xf32>) -> tensor<6x8x8xf32>
  %1 = nn.add %0, %mask : (tensor<6x8x8xf32>, tensor<6x8x8xf32>) -> tensor<6x8x8xf32>
  %2 = nn.softmax %1 <axis = 2> : (tensor<6x8x8xf32>) -> tensor<6x8x8xf32>
  %3 = nn.matmul %2, %vt : (tensor<6x8x8xf32>, tensor<6x8x4xf32>) -> tensor<6x8x4xf32>
  %4 = nn.transpose %3 <permutation = [1, 0, 2]> : (tensor<6x8x4xf32>) -> tensor<8x6x4xf32>
  %5 = nn.reshape %4 <shape = [-1, 12]> : (tensor<8x6x4xf32>) -> tensor<16x12xf32>
  func.return %5 : tensor<16x12xf32>
}

// -----

// A condition, broadcast to the scores, that puts the least number in their place.
// CHECK-LABEL: @filled
// CHECK:       %[[ZERO:.*]] = nn.constant <value = dense<0.000000e+00> : tensor<f32>>
// CHECK-NEXT:  %[[MASK:.*]] = nn.where %gone, %{{.*}}, %[[ZERO]] {layer = "fill"} : (tensor<2x1x1x8xi1>, tensor<f32>, tensor<f32>) -> tensor<2x1x1x8xf32>
// CHECK-NEXT:  nn.attention %q, %k, %v, mask = %[[MASK]] <heads = 3, scale = 1.0> {absorbed = ["fill"]}
// CHECK-NEXT:  func.return
func.func @filled(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %gone : tensor<2x1x1x8xi1>) -> (tensor<2x8x12xf32>) {
  %c = nn.constant <value = dense<-1.0e30> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %e = nn.expand %gone, like = %q <shape = [-6, 3, -7, -5]> : (tensor<2x1x1x8xi1>, tensor<2x8x12xf32>) -> tensor<2x3x8x8xi1>
  %2 = nn.where %e, %c, %0 {layer = "fill"} : (tensor<2x3x8x8xi1>, tensor<f32>, tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6 : tensor<2x8x12xf32>
}

// -----

// -100 is added to the scores of a row that is masked as a whole; here it takes their place.
// CHECK-LABEL: @filled_with_little
// CHECK-NOT:   nn.attention
// CHECK:       func.return
func.func @filled_with_little(%q : tensor<2x8x12xf32>, %k : tensor<2x8x12xf32>, %v : tensor<2x8x12xf32>, %keep : tensor<2x1x1x8xi1>) -> (tensor<2x8x12xf32>) {
  %c = nn.constant <value = dense<-100.0> : tensor<f32>> : () -> tensor<f32>
  %q4 = nn.reshape %q <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %k4 = nn.reshape %k <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x4x8xf32>
  %v4 = nn.reshape %v <shape = [-2, 8, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
  %vt = nn.transpose %v4 <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %0 = nn.matmul %qt, %kt : (tensor<2x3x8x4xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x8x8xf32>
  %2 = nn.where %keep, %0, %c : (tensor<2x1x1x8xi1>, tensor<2x3x8x8xf32>, tensor<f32>) -> tensor<2x3x8x8xf32>
  %3 = nn.softmax %2 <axis = 3> : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  %4 = nn.matmul %3, %vt : (tensor<2x3x8x8xf32>, tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32>
  %5 = nn.transpose %4 <permutation = [0, 2, 1, 3]> : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = nn.reshape %5 <shape = [-2, 8, 12]> : (tensor<2x8x3x4xf32>) -> tensor<2x8x12xf32>
  func.return %6 : tensor<2x8x12xf32>
}

// -----

// One of three parts of the columns, packed as [B, S, 3, H, D].
// CHECK-LABEL: @unpacks
// CHECK:       %[[COLUMNS:.*]] = nn.slice %x <ends = [9223372036854775807, 9223372036854775807, 24], starts = [0, 0, 12], steps = [1, 1, 1]>
// CHECK-NEXT:  %[[HEADS:.*]] = nn.reshape %[[COLUMNS]] <shape = [-2, -3, 3, 4]> : (tensor<2x8x12xf32>) -> tensor<2x8x3x4xf32>
// CHECK-NEXT:  nn.transpose %[[HEADS]] <permutation = [0, 2, 1, 3]> : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
func.func @unpacks(%x : tensor<2x8x36xf32>) -> (tensor<2x3x8x4xf32>) {
  %i = nn.constant <value = dense<1> : tensor<i64>> : () -> tensor<i64>
  %0 = nn.reshape %x <shape = [-2, -3, 3, 3, 4]> : (tensor<2x8x36xf32>) -> tensor<2x8x3x3x4xf32>
  %1 = nn.transpose %0 <permutation = [2, 0, 3, 1, 4]> : (tensor<2x8x3x3x4xf32>) -> tensor<3x2x3x8x4xf32>
  %2 = nn.gather %1, %i <axis = 0> : (tensor<3x2x3x8x4xf32>, tensor<i64>) -> tensor<2x3x8x4xf32>
  func.return %2 : tensor<2x3x8x4xf32>
}

// -----

// What is gathered lies inside the heads, not around them.
// CHECK-LABEL: @packed_inside
// CHECK-NOT:   nn.slice
// CHECK:       nn.gather
func.func @packed_inside(%x : tensor<2x8x36xf32>) -> (tensor<2x8x3x4xf32>) {
  %i = nn.constant <value = dense<1> : tensor<i64>> : () -> tensor<i64>
  %0 = nn.reshape %x <shape = [-2, -3, 3, 4, 3]> : (tensor<2x8x36xf32>) -> tensor<2x8x3x4x3xf32>
  %1 = nn.transpose %0 <permutation = [4, 0, 1, 2, 3]> : (tensor<2x8x3x4x3xf32>) -> tensor<3x2x8x3x4xf32>
  %2 = nn.gather %1, %i <axis = 0> : (tensor<3x2x8x3x4xf32>, tensor<i64>) -> tensor<2x8x3x4xf32>
  func.return %2 : tensor<2x8x3x4xf32>
}
