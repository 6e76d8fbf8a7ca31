// RUN: not octet-opt %s -p "quantize-io{io=int8}" 2>&1 | filecheck %s

// CHECK: quantize-io: input 'x', output 'y': neither quantized nor with a calibrated range, so there is no scale for int8
func.func @main(%x : tensor<1x4xf32> {nn.name = "x"}) -> (tensor<1x4xf32> {nn.name = "y"}) {
  %0 = nn.exp %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  func.return %0 : tensor<1x4xf32>
}
