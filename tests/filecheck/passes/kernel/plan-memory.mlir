// RUN: octet-opt %s -p "assign-layout,lower-to-kernel,plan-memory" | filecheck %s
// RUN: octet-opt %s -p "assign-layout,lower-to-kernel,plan-memory,plan-memory" | filecheck %s

// Three buffers of 1024 + 64 bytes in a chain: the third takes the place of the first.
// CHECK-LABEL: func.func @main
// CHECK-SAME: at = 0>
// CHECK: kernel.call "relu" {{.*}} -> memref<256xf32, #kernel.buffer<dense, at = 1088>>
// CHECK: kernel.call "tanh" {{.*}} -> memref<256xf32, #kernel.buffer<dense, at = 0>>
// CHECK: kernel.view {{.*}} -> memref<16x16xf32, #kernel.buffer<dense, at = 0>>
func.func @main(%x : tensor<256xf32>) -> tensor<16x16xf32> {
  %0 = nn.relu %x : (tensor<256xf32>) -> tensor<256xf32>
  %1 = nn.tanh %0 : (tensor<256xf32>) -> tensor<256xf32>
  %2 = nn.reshape %1 <shape = [16, 16]> : (tensor<256xf32>) -> tensor<16x16xf32>
  func.return %2 : tensor<16x16xf32>
}
