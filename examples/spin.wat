;; Never ends by itself.      fnvm run -W timeout=200ms examples/spin.wat
(module
  (func (export "_start")
    (loop $again (br $again))))
