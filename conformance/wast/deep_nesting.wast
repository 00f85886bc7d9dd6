;; Blocks, loops, ifs and try_tables hundreds deep: branches to the outermost, the innermost and
;; one in the middle land where they should, with what they carry.

(module
  ;; Every block adds 1 when it ends by itself.
  (func (export "blocks") (param i32) (result i32) (local $n i32)
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    local.get 0
    br_table 0 149 299
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set
    1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add
    local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1
    i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const
    1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get 1
    i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end local.get
    1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1 end
    local.get 1 i32.const 1 i32.add local.set 1 end local.get 1 i32.const 1 i32.add local.set 1
    local.get 1)

  ;; Each level hands its value on, plus 1.
  (func (export "values") (param i32) (result i32)
    i32.const 0
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    block (param i32) (result i32) block (param i32) (result i32) block (param i32) (result i32)
    local.get 0
    br_if 299
    local.get 0
    i32.const 1
    i32.add
    br_if 150
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add
    end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1
    i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const
    1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end
    i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add end i32.const 1 i32.add)

  ;; The innermost of all loops goes back to the outermost, until the counter is 0.
  (func (export "loops") (param i32) (result i32) (local $entered i32)
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1
    i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1
    i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1 loop
    local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    loop local.get 1 i32.const 1 i32.add local.set 1 loop local.get 1 i32.const 1 i32.add
    local.set 1 loop local.get 1 i32.const 1 i32.add local.set 1
    local.get 0
    i32.const 1
    i32.sub
    local.tee 0
    br_if 299
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end end end end end end end end end end end end end end end end end end end end end end end
    end
    local.get 1)

  (func (export "ifs") (param i32) (result i32)
    i32.const 0
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32)
    i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if
    (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const
    1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param
    i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1
    i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32)
    (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add
    local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get 0 if (param i32) (result
    i32) i32.const 1 i32.add local.get 0 if (param i32) (result i32) i32.const 1 i32.add local.get
    0 if (param i32) (result i32) i32.const 1 i32.add
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000
    i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const
    1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end else
    i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add end
    else i32.const 1000 i32.add end else i32.const 1000 i32.add end else i32.const 1000 i32.add
    end else i32.const 1000 i32.add end)

  ;; The handler that catches is the outermost; all the inner ones are for another tag.
  (tag $caught (param i32))
  (tag $other)
  (func (export "handlers") (result i32)
    (block $out (result i32)
      (block $wrong
        (try_table (catch $caught $out)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          try_table (catch $other 0) try_table (catch $other 0) try_table (catch $other 0)
          i32.const 12
          throw $caught
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end end end end end end end end end
          end end end end end end end end end end end end end end
          ))
      (i32.const 0)))
)

(assert_return (invoke "blocks" (i32.const 0)) (i32.const 300))
(assert_return (invoke "blocks" (i32.const 1)) (i32.const 151))
(assert_return (invoke "blocks" (i32.const 2)) (i32.const 1))
(assert_return (invoke "values" (i32.const 0)) (i32.const 150))
(assert_return (invoke "values" (i32.const 1)) (i32.const 1))
(assert_return (invoke "values" (i32.const -1)) (i32.const 1))
(assert_return (invoke "loops" (i32.const 1)) (i32.const 300))
(assert_return (invoke "loops" (i32.const 7)) (i32.const 2100))
(assert_return (invoke "ifs" (i32.const 1)) (i32.const 200))
(assert_return (invoke "ifs" (i32.const 0)) (i32.const 1000))
(assert_return (invoke "handlers") (i32.const 12))
