/** @file Pages of the codes RMX00xx: syntax. */
import type { CodePage } from "./page.ts";

export const syntaxPages: Record<string, CodePage> = {
  RMX0001: {
    title: "unexpected character",
    meaning: `
The text holds a character that no part of the language begins with. Names are written with the letters
\`A\` to \`Z\`, digits and \`_\`; any character may stand in strings and comments.`,
    failing: `
model m {
  x = a & b
}`,
    mended: `
model m {
  x = a and b
}`,
  },
  RMX0002: {
    title: "a string is not closed",
    meaning: 'A string begins and ends with `"` on one line. A quote inside it is written `\\"`.',
    failing: `
model m {
  y = mean(x, "t d -> d)
}`,
    mended: `
model m {
  y = mean(x, "t d -> d")
}`,
  },
  RMX0003: {
    title: "a comment is not closed",
    meaning: "A comment that begins with `/*` goes on to the next `*/`. Such comments do not nest.",
    failing: `
model m {
  x = f(y)  /* the residual
}`,
    mended: `
model m {
  x = f(y)  /* the residual */
}`,
  },
  RMX0004: {
    title: "a malformed number",
    meaning: `
Numbers are decimal: \`12\`, \`1_000_000\`, \`0.5\`, \`1e-5\`. One \`_\` may stand between two digits. There are no
hexadecimal numbers and no suffixes, and a name does not begin with a digit.`,
    failing: `
model m {
  let rows = 1__000
}`,
    mended: `
model m {
  let rows = 1_000
}`,
  },
  RMX0005: {
    title: "a number is too large",
    meaning: `
Integers are exact up to 2^53 - 1 = 9_007_199_254_740_991, floats are 64-bit. A number beyond that would silently
become another one. Infinity is written \`inf\`.`,
    failing: `
model m {
  let large = 1e999
}`,
    mended: `
model m {
  let large = inf
}`,
  },
  RMX0006: {
    title: "an unknown escape in a string",
    meaning:
      'In a string `\\` begins an escape: `\\"`, `\\\\`, `\\n` or `\\t`. A path is written with `/` on every system.',
    failing: `
use ".\\blocks.rmx"`,
    mended: `
use "./blocks.rmx"`,
  },
  RMX0007: {
    title: "a bracket is not closed",
    meaning: `
Every \`(\`, \`[\` and \`{\` needs its closing bracket. Where it should have stood is judged by indentation: an unclosed
bracket is taken to end before the next line that is indented no deeper than the line that opened it.`,
    failing: `
model m {
  x = f(a, b
  y = g(x)
}`,
    mended: `
model m {
  x = f(a, b)
  y = g(x)
}`,
  },
  RMX0008: {
    title: "a closing bracket without its opening one",
    meaning: "A `)`, `]` or `}` closes nothing, or stands where another kind of bracket is open.",
    failing: `
model m {
  x = f(a]
}`,
    mended: `
model m {
  x = f(a)
}`,
  },
  RMX0009: {
    title: "nested too deep",
    meaning: `
Brackets may nest 64 deep, 64 prefix operators may follow one another, and the syntax tree as a whole may be 1000
levels deep; a sum adds a level a term. Only generated text comes near these limits. They keep the compiler from
exhausting its stack.`,
    failing: `
model m {
  x = ${"-".repeat(65)}y
}`,
    mended: `
model m {
  x = -y
}`,
  },
  RMX0010: {
    title: "a comment that may be a division",
    meaning: `
\`//\` begins a comment, and it is also integer division. It divides where it is glued to both operands (\`a//b\`),
where a number follows (\`a // 2\`), or inside brackets that close on the same line (\`(a // b)\`). Here it begins a
comment whose text could be a divisor, because every name in it is used in this file.`,
    failing: `
model m(D: int = 64, heads: int = 4) {
  let E = D // heads
}`,
    mended: `
model m(D: int = 64, heads: int = 4) {
  let E = (D // heads)
}`,
  },
  RMX0011: {
    title: "something else was expected",
    meaning: `
At this place the grammar allows only what the message names. The line is left out and the next one read as usual, so
the errors that follow are independent of this one.`,
    failing: `
model m {
  table users rows = 10
}`,
    mended: `
model m {
  table users(rows = 10, dim = 4)
}`,
  },
  RMX0012: {
    title: "an expression is missing",
    meaning: `
An operator, a \`=\` or a bracket is not followed by a value. An expression goes on to the next line after a trailing
operator or comma, inside an open bracket, or where that line begins with \`|>\`.`,
    failing: `
model m {
  x = a + * b
}`,
    mended: `
model m {
  x = a + b
}`,
  },
  RMX0013: {
    title: "text after the end of a statement",
    meaning: `
A statement is complete and yet the line goes on. A statement ends at the end of its line: two statements take two
lines, and two values need an operator or a comma between them.`,
    failing: `
model m {
  x = f(a) y = g(b)
}`,
    mended: `
model m {
  x = f(a)
  y = g(b)
}`,
  },
  RMX0014: {
    title: "not a declaration",
    meaning:
      "A file holds `use`, `block` and `model`, and nothing else. Statements stand in the body of a block or a model.",
    failing: `
x = 1`,
    mended: `
model m {
  x = 1
}`,
  },
  RMX0015: {
    title: "not a statement",
    meaning: `
A statement assigns (\`x = ...\`) or begins with one of \`let\`, \`table\`, \`user\`, \`item\`, \`tokens\`, \`return\`, \`repeat\`,
\`if\`, \`param\`, \`task\`, \`loss\`, \`label\`, \`precision\`, \`serve\`. A value that is neither named nor returned would have
no effect, so it is an error.`,
    failing: `
model m {
  layer_norm(x)
}`,
    mended: `
model m {
  y = layer_norm(x)
}`,
  },
  RMX0016: {
    title: "comparisons do not chain",
    meaning: `
\`a < b < c\` reads as a range in mathematics and as \`(a < b) < c\` in many languages. It is neither here: write the two
comparisons and join them with \`and\`, or use parentheses.`,
    failing: `
model m {
  inside = 0 <= x <= 1
}`,
    mended: `
model m {
  inside = 0 <= x and x <= 1
}`,
  },
  RMX0017: {
    title: "an unknown type",
    meaning: `
Features are \`f32\`, \`f32[n]\`, \`i32\`, \`i32[n]\`, \`id in TABLE\`, \`ids[max] in TABLE\` or \`seq[max] of { ... }\`. Parameters
of blocks are tensors, written by their shape (\`[T, D]\`, \`bool [Q, S]\`), or \`int\`, \`float\`, \`bool\`, \`fn\`, \`string\` and
lists of these (\`int[]\`). Storage is \`f32\`, \`f16\`, \`bf16\`, \`int8 per channel\`, \`int8 per group(n)\`, \`fp8_e4m3\` or
\`fp8_e5m2\`.`,
    failing: `
model m {
  user {
    age: f64
  }
}`,
    mended: `
model m {
  user {
    age: f32
  }
}`,
  },
  RMX0018: {
    title: "a reserved word as a name",
    meaning: `
Most keywords are names wherever a name is expected: a feature may be called \`user\` or \`table\`. Only \`and\`, \`or\`, \`not\`,
\`true\`, \`false\` and \`inf\` are reserved, because they stand inside expressions.`,
    failing: `
model m {
  not = f(x)
}`,
    mended: `
model m {
  inverse = f(x)
}`,
  },
  RMX0019: {
    title: "a label on something that is not a call",
    meaning: `
\`f(x) as label\` names one call of a block, and with it the paths of the parameters in it. Names, numbers and sums have
no parameters to name. \`as\` binds more tightly than any operator.`,
    failing: `
model m {
  y = x as block
}`,
    mended: `
model m {
  y = mixer(x) as block
}`,
  },
  RMX0020: {
    title: "a pipe into something that is not a call",
    meaning: `
\`x |> f(a)\` is \`f(x, a)\`, so a call with its parentheses must follow \`|>\`. The pipe binds more loosely than every
operator: what follows it reaches to the next pipe or the end of the expression.`,
    failing: `
model m {
  y = x |> relu
}`,
    mended: `
model m {
  y = x |> relu()
}`,
  },
};
