var __getOwnPropNames = Object.getOwnPropertyNames;
var __esm = (fn, res, err) => function __init() {
  if (err) throw err[0];
  try {
    return fn && (res = (0, fn[__getOwnPropNames(fn)[0]])(fn = 0)), res;
  } catch (e) {
    throw err = [e], e;
  }
};

// src/ir/facts.ts
function factsOf(e) {
  const own2 = ApplyNode.factsOf(e) ?? elsewhere.get(e);
  if (own2 !== void 0) return own2;
  const facts = {};
  elsewhere.set(e, facts);
  return facts;
}
var elsewhere, ApplyNode;
var init_facts = __esm({
  "src/ir/facts.ts"() {
    "use strict";
    elsewhere = /* @__PURE__ */ new WeakMap();
    ApplyNode = class {
      kind = "apply";
      fn;
      args;
      type;
      #facts = { key: void 0, interval: void 0, linear: void 0, simplified: void 0 };
      constructor(fn, args, type) {
        this.fn = fn;
        this.args = args;
        this.type = type;
      }
      static factsOf(e) {
        return #facts in e ? e.#facts : void 0;
      }
    };
  }
});

// src/ir/erf.ts
function polynomial(coefficients, x) {
  return coefficients.reduceRight((sum, c) => sum * x + c, 0);
}
function tail(x) {
  if (x >= 28) return 0;
  const s = 1 / (x * x);
  const ratio = x < 1 / 0.35 ? polynomial(RA, s) / polynomial(SA, s) : polynomial(RB, s) / polynomial(SB, s);
  const z = Math.fround(x);
  return Math.exp(-z * z - 0.5625) * Math.exp((z - x) * (z + x) + ratio) / x;
}
function erfc(x) {
  const a = Math.abs(x);
  if (a < 0.84375) {
    const y = polynomial(PP, x * x) / polynomial(QQ, x * x);
    return x < 0.25 ? 1 - (x + x * y) : 0.5 - (x - 0.5 + x * y);
  }
  if (a < 1.25) {
    const y = polynomial(PA, a - 1) / polynomial(QA, a - 1);
    return x > 0 ? 1 - ERX - y : 1 + (ERX + y);
  }
  if (Number.isNaN(x)) return x;
  return x > 0 ? tail(a) : 2 - tail(a);
}
var ERX, PP, QQ, PA, QA, RA, SA, RB, SB;
var init_erf = __esm({
  "src/ir/erf.ts"() {
    "use strict";
    ERX = 0.8450629115104675;
    PP = [
      0.12837916709551256,
      -0.3250421072470015,
      -0.02848174957559851,
      -0.005770270296489442,
      -23763016656650163e-21
    ];
    QQ = [
      1,
      0.39791722395915535,
      0.0650222499887673,
      0.005081306281875766,
      13249473800432164e-20,
      -3960228278775368e-21
    ];
    PA = [
      -0.0023621185607526594,
      0.41485611868374833,
      -0.3722078760357013,
      0.31834661990116175,
      -0.11089469428239668,
      0.035478304325618236,
      -0.002166375594868791
    ];
    QA = [
      1,
      0.10642088040084423,
      0.540397917702171,
      0.07182865441419627,
      0.12617121980876164,
      0.01363708391202905,
      0.011984499846799107
    ];
    RA = [
      -0.009864944034847148,
      -0.6938585727071818,
      -10.558626225323291,
      -62.375332450326006,
      -162.39666946257347,
      -184.60509290671104,
      -81.2874355063066,
      -9.814329344169145
    ];
    SA = [
      1,
      19.651271667439257,
      137.65775414351904,
      434.56587747522923,
      645.3872717332679,
      429.00814002756783,
      108.63500554177944,
      6.570249770319282,
      -0.0604244152148581
    ];
    RB = [
      -0.0098649429247001,
      -0.799283237680523,
      -17.757954917754752,
      -160.63638485582192,
      -637.5664433683896,
      -1025.0951316110772,
      -483.5191916086514
    ];
    SB = [
      1,
      30.33806074348246,
      325.7925129965739,
      1536.729586084437,
      3199.8582195085955,
      2553.0504064331644,
      474.52854120695537,
      -22.44095244658582
    ];
  }
});

// src/ir/scalar.ts
function entry(arity, type, flops, zero, evaluate2) {
  return { arity, type, flops, zero, evaluate: evaluate2 };
}
function resultType(fn, args) {
  const info = scalarFns[fn];
  return args.length === info.arity ? info.type(args) : void 0;
}
function compileExpr(e) {
  const uses = countUses(e);
  let turn2 = 0;
  let turns = 0;
  const done = /* @__PURE__ */ new Map();
  const compile = (node) => {
    const known = done.get(node);
    if (known !== void 0) return known;
    const plain = compileNode(node, compile);
    const compound = node.kind === "apply" || node.kind === "load";
    const result = compound && (uses.get(node) ?? 0) > 1 ? remember(plain, () => turn2) : plain;
    done.set(node, result);
    return result;
  };
  const root = compile(e);
  return (env) => {
    const outer = turn2;
    turn2 = ++turns;
    try {
      return root(env);
    } finally {
      turn2 = outer;
    }
  };
}
function countUses(e) {
  const uses = /* @__PURE__ */ new Map();
  const visit = (node) => {
    const known = uses.get(node) ?? 0;
    uses.set(node, known + 1);
    if (known > 0) return;
    if (node.kind === "apply") for (const arg of node.args) visit(arg);
    if (node.kind === "load") for (const index2 of node.index) visit(index2);
  };
  visit(e);
  return uses;
}
function remember(plain, turn2) {
  let at2 = -1;
  let value2 = 0;
  return (env) => {
    const now = turn2();
    if (at2 !== now) {
      value2 = plain(env);
      at2 = now;
    }
    return value2;
  };
}
function compileNode(e, compile) {
  switch (e.kind) {
    case "const":
      return () => e.value;
    case "axis":
      return (env) => env.axis(e.name);
    case "tile":
      return (env) => env.tile(e.tile);
    case "load": {
      const index2 = e.index.map(compile);
      return (env) => env.load(
        e.source,
        index2.map((i) => i(env))
      );
    }
    case "apply":
      return compileApply(e, e.args.map(compile));
    default:
      return e;
  }
}
function compileApply(e, [a, b, c]) {
  switch (e.fn) {
    case "add":
      return (env) => a(env) + b(env);
    case "sub":
      return (env) => a(env) - b(env);
    case "mul":
      return (env) => a(env) * b(env);
    case "where":
      return (env) => a(env) !== 0 ? b(env) : c(env);
    case "and":
      return (env) => a(env) !== 0 ? b(env) : 0;
    case "or":
      return (env) => a(env) !== 0 ? 1 : b(env);
  }
  const { arity, evaluate: evaluate2 } = scalarFns[e.fn];
  if (arity === 1) return (env) => evaluate2(a(env));
  if (arity === 2) return (env) => evaluate2(a(env), b(env));
  return (env) => evaluate2(a(env), b(env), c(env));
}
var isNumber, arithmetic, real, comparison, equality, logic, selection, cast, never, first, every, some, sigmoid, modulo, toI32, truth, scalarFns;
var init_scalar = __esm({
  "src/ir/scalar.ts"() {
    "use strict";
    init_erf();
    isNumber = (t) => t !== "bool";
    arithmetic = (args) => args.every(isNumber) ? args.every((t) => t === "i32") ? "i32" : "num" : void 0;
    real = (args) => args.every(isNumber) ? "num" : void 0;
    comparison = (args) => args.every(isNumber) ? "bool" : void 0;
    equality = ([a, b]) => a === "bool" === (b === "bool") ? "bool" : void 0;
    logic = (args) => args.every((t) => t === "bool") ? "bool" : void 0;
    selection = ([cond, a, b]) => {
      if (cond !== "bool") return void 0;
      return a === b ? a : arithmetic([a, b]);
    };
    cast = (to) => () => to;
    never = () => false;
    first = (args) => args[0];
    every = (args) => args.every((z) => z);
    some = (args) => args.some((z) => z);
    sigmoid = (x) => {
      if (x >= 0) return 1 / (1 + Math.exp(-x));
      const e = Math.exp(x);
      return e / (1 + e);
    };
    modulo = (x, y) => {
      const r = x % y;
      return r !== 0 && r < 0 !== y < 0 ? r + y : r + 0;
    };
    toI32 = (x) => Number.isNaN(x) ? 0 : Math.max(-2147483648, Math.min(2147483647, Math.trunc(x))) + 0;
    truth = (b) => b ? 1 : 0;
    scalarFns = {
      add: entry(2, arithmetic, 1, every, (a, b) => a + b),
      sub: entry(2, arithmetic, 1, every, (a, b) => a - b),
      mul: entry(2, arithmetic, 1, some, (a, b) => a * b),
      div: entry(2, real, 4, first, (a, b) => a / b),
      floordiv: entry(2, arithmetic, 4, first, (a, b) => Math.floor(a / b)),
      mod: entry(2, arithmetic, 4, first, modulo),
      neg: entry(1, arithmetic, 1, first, (a) => -a),
      eq: entry(2, equality, 1, never, (a, b) => truth(a === b)),
      ne: entry(2, equality, 1, every, (a, b) => truth(a !== b)),
      lt: entry(2, comparison, 1, every, (a, b) => truth(a < b)),
      le: entry(2, comparison, 1, never, (a, b) => truth(a <= b)),
      gt: entry(2, comparison, 1, every, (a, b) => truth(a > b)),
      ge: entry(2, comparison, 1, never, (a, b) => truth(a >= b)),
      and: entry(2, logic, 1, some, (a, b) => truth(a !== 0 && b !== 0)),
      or: entry(2, logic, 1, every, (a, b) => truth(a !== 0 || b !== 0)),
      not: entry(1, logic, 1, never, (a) => truth(a === 0)),
      exp: entry(1, real, 8, never, Math.exp),
      log: entry(1, real, 8, never, Math.log),
      sqrt: entry(1, real, 4, first, Math.sqrt),
      rsqrt: entry(1, real, 4, never, (a) => 1 / Math.sqrt(a)),
      tanh: entry(1, real, 14, first, Math.tanh),
      sigmoid: entry(1, real, 13, never, sigmoid),
      relu: entry(1, real, 1, first, (a) => Math.max(a, 0)),
      // erfc by a polynomial of degree five, an exp and a division.
      gelu: entry(1, real, 22, first, (a) => 0.5 * a * erfc(-a * Math.SQRT1_2)),
      // ½(1 + tanh u) is sigmoid(2u).
      gelu_tanh: entry(
        1,
        real,
        19,
        first,
        (a) => a * sigmoid(2 * Math.sqrt(2 / Math.PI) * (a + 0.044715 * a * a * a))
      ),
      silu: entry(1, real, 14, first, (a) => a * sigmoid(a)),
      abs: entry(1, arithmetic, 1, first, Math.abs),
      floor: entry(1, arithmetic, 1, first, Math.floor),
      sign: entry(1, arithmetic, 2, first, Math.sign),
      max: entry(2, arithmetic, 1, every, Math.max),
      min: entry(2, arithmetic, 1, every, Math.min),
      pow: entry(2, real, 17, never, (a, b) => a ** b),
      clamp: entry(
        3,
        arithmetic,
        2,
        ([x, lo, hi]) => hi && (x || lo),
        (x, lo, hi) => Math.min(Math.max(x, lo), hi)
      ),
      where: entry(
        3,
        selection,
        0,
        ([cond, a, b]) => b && (cond || a),
        (cond, a, b) => cond !== 0 ? a : b
      ),
      to_num: entry(1, cast("num"), 0, first, (a) => a),
      // Towards zero and saturating, NaN to 0, as on devices.
      to_i32: entry(1, cast("i32"), 0, first, toI32),
      to_bool: entry(1, cast("bool"), 0, first, (a) => truth(a !== 0))
    };
  }
});

// src/ir/exprprint.ts
function printExpr(e, names = (source) => `%${source}`) {
  const { size, uses } = measure(e);
  const large = (size.get(e) ?? 0) > LARGE_TREE;
  const done = /* @__PURE__ */ new Map();
  const bindings = [];
  const print = (node, atLeast) => {
    let entry2 = done.get(node);
    if (entry2 === void 0) {
      entry2 = printNode(node, print, names);
      if (large && node !== e && (uses.get(node) ?? 0) > 1 && (size.get(node) ?? 0) > SMALL_PART) {
        bindings.push(`s${bindings.length} = ${entry2[0]}; `);
        entry2 = [`s${bindings.length - 1}`, ATOM];
      }
      done.set(node, entry2);
    }
    const [text2, level] = entry2;
    return level < atLeast ? `(${text2})` : text2;
  };
  const text = print(e, 0);
  return bindings.join("") + text;
}
function measure(e) {
  const size = /* @__PURE__ */ new Map();
  const uses = /* @__PURE__ */ new Map();
  const go = (node) => {
    uses.set(node, (uses.get(node) ?? 0) + 1);
    const known = size.get(node);
    if (known !== void 0) return known;
    const parts = node.kind === "apply" ? node.args : node.kind === "load" ? node.index : [];
    const total = parts.reduce((sum, part) => sum + go(part), 1);
    size.set(node, total);
    return total;
  };
  go(e);
  return { size, uses };
}
function printNode(e, print, names) {
  const list = (parts) => parts.map((part) => print(part, 0)).join(", ");
  switch (e.kind) {
    case "const":
      return [printConst(e), e.value < 0 || Object.is(e.value, -0) ? NEG : ATOM];
    case "axis":
      return [e.name, ATOM];
    case "tile":
      return [e.tile, ATOM];
    case "load":
      return [`${names(e.source)}[${list(e.index)}]`, ATOM];
    case "apply": {
      const operator2 = infix[e.fn];
      if (operator2 !== void 0) {
        const [symbol, level] = operator2;
        const left = print(e.args[0], level === COMPARISON ? level + 1 : level);
        return [`${left} ${symbol} ${print(e.args[1], level + 1)}`, level];
      }
      if (e.fn === "neg") return [`-${print(e.args[0], ATOM)}`, NEG];
      if (e.fn === "not") return [`not ${print(e.args[0], NOT)}`, NOT];
      return [`${printedNames[e.fn] ?? e.fn}(${list(e.args)})`, ATOM];
    }
    default:
      return e;
  }
}
function printConst({ type, value: value2 }) {
  if (type === "bool") return value2 !== 0 ? "true" : "false";
  if (Number.isNaN(value2)) return "nan";
  if (!Number.isFinite(value2)) return value2 < 0 ? "-inf" : "inf";
  const text = Object.is(value2, -0) ? "-0" : String(value2);
  return type === "num" && /^-?\d+$/.test(text) ? `${text}.0` : text;
}
var infix, COMPARISON, NOT, NEG, ATOM, printedNames, LARGE_TREE, SMALL_PART;
var init_exprprint = __esm({
  "src/ir/exprprint.ts"() {
    "use strict";
    infix = {
      or: ["or", 1],
      and: ["and", 2],
      eq: ["==", 4],
      ne: ["!=", 4],
      lt: ["<", 4],
      le: ["<=", 4],
      gt: [">", 4],
      ge: [">=", 4],
      add: ["+", 5],
      sub: ["-", 5],
      mul: ["*", 6],
      div: ["/", 6],
      floordiv: ["//", 6],
      mod: ["%", 6]
    };
    COMPARISON = 4;
    NOT = 3;
    NEG = 7;
    ATOM = 8;
    printedNames = {
      to_num: "float",
      to_i32: "int",
      to_bool: "bool"
    };
    LARGE_TREE = 4096;
    SMALL_PART = 16;
  }
});

// src/ir/expr.ts
function num(value2) {
  return { kind: "const", value: value2, type: "num" };
}
function int(value2) {
  if (!Number.isInteger(value2)) throw new Error(`internal: ${value2} is no integer`);
  return integers[value2] ?? { kind: "const", value: value2 + 0, type: "i32" };
}
function bool(value2) {
  return value2 ? TRUE : FALSE;
}
function axis(name2, extent2) {
  const of = extent2 === "R" || extent2 === "N" ? { of: extent2, times: 1 } : extent2;
  return { kind: "axis", name: name2, extent: of, type: "i32" };
}
function load(source, index2, type) {
  return { kind: "load", source, index: index2, type };
}
function tile(name2, type) {
  return { kind: "tile", tile: name2, type };
}
function apply(fn, ...args) {
  const type = resultType(
    fn,
    args.map((a) => a.type)
  );
  if (type === void 0) {
    throw new Error(`internal: ${fn}(${args.map((a) => a.type).join(", ")}) has no type`);
  }
  if (args.every((a) => a.kind === "const")) {
    const value2 = scalarFns[fn].evaluate(...args.map((a) => a.value));
    if (type === "num" ? !Number.isNaN(value2) : type === "bool" || value2 === (value2 | 0)) {
      return type === "num" ? num(value2) : type === "bool" ? bool(value2 !== 0) : int(value2);
    }
  }
  return new ApplyNode(fn, args, type);
}
function children(e) {
  return e.kind === "apply" ? e.args : e.kind === "load" ? e.index : [];
}
function walkExpr(e, visit) {
  const seen = /* @__PURE__ */ new Set();
  const go = (node) => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const child of children(node)) go(child);
    visit(node);
  };
  go(e);
}
function mapExpr(e, f) {
  const done = /* @__PURE__ */ new Map();
  const go = (node) => {
    const known = done.get(node);
    if (known !== void 0) return known;
    const result = f(withChildren(node, children(node).map(go)));
    done.set(node, result);
    return result;
  };
  return go(e);
}
function withChildren(e, operands) {
  const old = children(e);
  if (operands.every((operand, i) => operand === old[i])) return e;
  if (e.kind === "apply") return apply(e.fn, ...operands);
  return e.kind === "load" ? load(e.source, operands, e.type) : e;
}
function substitute(e, axes) {
  return mapExpr(e, (node) => node.kind === "axis" ? axes.get(node.name) ?? node : node);
}
function axesOf(e) {
  const axes = /* @__PURE__ */ new Map();
  walkExpr(e, (node) => {
    if (node.kind === "axis") axes.set(node.name, node);
  });
  return axes;
}
function loadsOf(e) {
  const loads = [];
  walkExpr(e, (node) => {
    if (node.kind === "load") loads.push(node);
  });
  return loads;
}
function exprKey(e) {
  if (e.kind !== "apply" && e.kind !== "load") return spell(e);
  const facts = factsOf(e);
  if (facts.key === void 0) {
    const text = spell(e);
    facts.key = text.length <= 96 ? text : `#${hash53(text, 1)}${hash53(text, 2)}`;
  }
  return facts.key;
}
function sameExpr(a, b) {
  if (a === b) return true;
  if (a.kind === "axis") {
    if (b.kind !== "axis" || a.name !== b.name) return false;
    if (typeof a.extent === "number" || typeof b.extent === "number") return a.extent === b.extent;
  } else if (a.kind === "apply") {
    if (b.kind !== "apply" || a.fn !== b.fn) return false;
  } else if (a.kind !== b.kind) return false;
  return exprKey(a) === exprKey(b);
}
function spell(e) {
  switch (e.kind) {
    case "const":
      return `${Object.is(e.value, -0) ? "-0" : e.value}${e.type[0]}`;
    case "axis":
      return `${e.name}:${typeof e.extent === "number" ? e.extent : `${e.extent.times}${e.extent.of}`}`;
    case "apply":
      return `${e.fn}(${e.args.map(exprKey).join()})`;
    case "load":
      return `%${e.source}${e.type[0]}[${e.index.map(exprKey).join()}]`;
    case "tile":
      return `$${e.tile}:${e.type[0]}`;
    default:
      return e;
  }
}
function hash53(text, seed) {
  let a = 3735928559 ^ seed;
  let b = 1103547991 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 2654435761);
    b = Math.imul(b ^ c, 1597334677);
  }
  a = Math.imul(a ^ a >>> 16, 2246822507) ^ Math.imul(b ^ b >>> 13, 3266489909);
  b = Math.imul(b ^ b >>> 16, 2246822507) ^ Math.imul(a ^ a >>> 13, 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36).padStart(11, "0");
}
var integers, FALSE, TRUE, add, sub, mul, div, floordiv, mod, neg, min, max, ne, lt, ge, and, not, where;
var init_expr = __esm({
  "src/ir/expr.ts"() {
    "use strict";
    init_facts();
    init_scalar();
    init_exprprint();
    integers = Array.from({ length: 257 }, (_, value2) => ({
      kind: "const",
      value: value2,
      type: "i32"
    }));
    FALSE = { kind: "const", value: 0, type: "bool" };
    TRUE = { kind: "const", value: 1, type: "bool" };
    add = (a, b) => apply("add", a, b);
    sub = (a, b) => apply("sub", a, b);
    mul = (a, b) => apply("mul", a, b);
    div = (a, b) => apply("div", a, b);
    floordiv = (a, b) => apply("floordiv", a, b);
    mod = (a, b) => apply("mod", a, b);
    neg = (a) => apply("neg", a);
    min = (a, b) => apply("min", a, b);
    max = (a, b) => apply("max", a, b);
    ne = (a, b) => apply("ne", a, b);
    lt = (a, b) => apply("lt", a, b);
    ge = (a, b) => apply("ge", a, b);
    and = (a, b) => apply("and", a, b);
    not = (a) => apply("not", a);
    where = (cond, a, b) => apply("where", cond, a, b);
  }
});

// src/ir/exprparse.ts
var functions, operators;
var init_exprparse = __esm({
  "src/ir/exprparse.ts"() {
    "use strict";
    init_expr();
    init_exprprint();
    init_scalar();
    functions = /* @__PURE__ */ new Map();
    operators = /* @__PURE__ */ new Map();
    for (const fn of Object.keys(scalarFns)) {
      const operator2 = infix[fn];
      if (operator2 !== void 0) operators.set(operator2[0], [fn, operator2[1]]);
      else functions.set(printedNames[fn] ?? fn, fn);
    }
  }
});

// src/ir/bounds.ts
function interval(e) {
  if (e.kind !== "apply") return intervalOf(e, interval);
  const facts = factsOf(e);
  facts.interval ??= intervalOf(e, interval);
  return facts.interval;
}
function intervalWithin(e, axes) {
  const done = /* @__PURE__ */ new Map();
  const go = (node) => {
    const known = done.get(node);
    if (known !== void 0) return known;
    const confined = node.kind === "axis" ? axes.get(node.name) : void 0;
    const result = confined ?? intervalOf(node, go);
    done.set(node, result);
    return result;
  };
  return go(e);
}
function bounds(e) {
  if (e.type === "num") return void 0;
  const { lo, hi } = interval(e);
  return lo === Number.NEGATIVE_INFINITY && hi === Number.POSITIVE_INFINITY ? void 0 : { lo, hi };
}
function intervalOf(e, of) {
  if (e.type === "num") return UNBOUNDED;
  switch (e.kind) {
    case "const":
      return { lo: e.value, hi: e.value };
    case "axis":
      return {
        lo: 0,
        hi: typeof e.extent === "number" ? Math.max(0, e.extent - 1) : Number.POSITIVE_INFINITY
      };
    case "load":
    case "tile":
      return e.type === "bool" ? TRUTH : UNBOUNDED;
    case "apply":
      return e.type === "bool" && e.fn !== "where" ? TRUTH : ofApply(e, e.args.map(of));
    default:
      return e;
  }
}
function ofApply(e, args) {
  const [a, b, c] = args;
  switch (e.fn) {
    case "add":
      return { lo: a.lo + b.lo, hi: a.hi + b.hi };
    case "sub":
      return { lo: a.lo - b.hi, hi: a.hi - b.lo };
    case "neg":
      return { lo: -a.hi, hi: -a.lo };
    case "mul": {
      const corners = [times(a.lo, b.lo), times(a.lo, b.hi), times(a.hi, b.lo), times(a.hi, b.hi)];
      return { lo: Math.min(...corners), hi: Math.max(...corners) };
    }
    case "floordiv":
      if (b.lo === b.hi && b.lo > 0) return { lo: Math.floor(a.lo / b.lo), hi: Math.floor(a.hi / b.lo) };
      return a.lo >= 0 && b.lo > 0 ? { lo: 0, hi: a.hi } : UNBOUNDED;
    case "mod": {
      if (b.lo <= 0) return UNBOUNDED;
      const block = b.lo === b.hi ? sameBlock(a, b.lo) : void 0;
      if (block !== void 0) return { lo: a.lo - block * b.lo, hi: a.hi - block * b.lo };
      return { lo: 0, hi: b.hi - 1 };
    }
    case "abs":
      if (a.lo >= 0) return a;
      return { lo: a.hi < 0 ? -a.hi : 0, hi: Math.max(-a.lo, a.hi) };
    case "floor":
      return a;
    case "sign":
      return { lo: Math.sign(a.lo), hi: Math.sign(a.hi) };
    case "max":
      return { lo: Math.max(a.lo, b.lo), hi: Math.max(a.hi, b.hi) };
    case "min":
      return { lo: Math.min(a.lo, b.lo), hi: Math.min(a.hi, b.hi) };
    case "clamp":
      return { lo: Math.min(Math.max(a.lo, b.lo), c.lo), hi: Math.min(Math.max(a.hi, b.hi), c.hi) };
    case "where":
      return { lo: Math.min(b.lo, c.lo), hi: Math.max(b.hi, c.hi) };
    default:
      return UNBOUNDED;
  }
}
function sameBlock({ lo, hi }, c) {
  const block = Math.floor(lo / c);
  return Number.isFinite(block) && block === Math.floor(hi / c) ? block : void 0;
}
function times(a, b) {
  return a === 0 || b === 0 ? 0 : a * b;
}
var UNBOUNDED, TRUTH;
var init_bounds = __esm({
  "src/ir/bounds.ts"() {
    "use strict";
    init_facts();
    UNBOUNDED = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
    TRUTH = { lo: 0, hi: 1 };
  }
});

// src/ir/linear.ts
function linearOf(e) {
  if (e.kind !== "apply") return decompose(e);
  const facts = factsOf(e);
  facts.linear ??= decompose(e);
  return facts.linear;
}
function decompose(e) {
  if (e.kind === "const") return constant(e.value);
  if (e.kind === "apply" && e.type === "i32") {
    const [a, b] = e.args;
    if (e.fn === "add") return plus(linearOf(a), linearOf(b));
    if (e.fn === "sub") return plus(linearOf(a), linearOf(b), -1);
    if (e.fn === "neg") return times2(linearOf(a), -1);
    if (e.fn === "mul" && b.kind === "const") return times2(linearOf(a), b.value);
    if (e.fn === "mul" && a.kind === "const") return times2(linearOf(b), a.value);
  }
  return { terms: [{ atom: e, coef: 1 }], constant: 0 };
}
function constant(value2) {
  return { terms: [], constant: value2 };
}
function times2(x, factor) {
  if (factor === 1) return x;
  if (factor === 0) return constant(0);
  return {
    terms: x.terms.map(({ atom, coef }) => ({ atom, coef: coef * factor })),
    // `+ 0` keeps -0 out, which would cost integers their fast form.
    constant: x.constant * factor + 0
  };
}
function plus(x, y, factor = 1) {
  const total = x.constant + y.constant * factor;
  if (y.terms.length === 0 || factor === 0) return { terms: x.terms, constant: total };
  if (x.terms.length === 0) return { terms: times2(y, factor).terms, constant: total };
  const terms = [...x.terms];
  for (const { atom, coef } of y.terms) collect(terms, atom, coef * factor);
  return { terms, constant: total };
}
function collect(terms, atom, coef) {
  for (let k = 0; k < terms.length; k++) {
    if (!sameExpr(terms[k].atom, atom)) continue;
    const together = terms[k].coef + coef;
    if (together === 0) terms.splice(k, 1);
    else terms[k] = { atom, coef: together };
    return;
  }
  terms.push({ atom, coef });
}
function intervalOfLinear({ terms, constant: constant4 }) {
  let lo = constant4;
  let hi = constant4;
  for (const { atom, coef } of terms) {
    const range2 = interval(atom);
    lo += coef * (coef > 0 ? range2.lo : range2.hi);
    hi += coef * (coef > 0 ? range2.hi : range2.lo);
  }
  return { lo, hi };
}
function sorted(terms) {
  if (terms.length < 2) return [...terms];
  return [...terms].sort(
    (a, b) => Math.abs(b.coef) - Math.abs(a.coef) || (exprKey(a.atom) < exprKey(b.atom) ? -1 : 1)
  );
}
function toExpr({ terms, constant: constant4 }) {
  const ordered = sorted(terms);
  const positive = ordered.filter((t) => t.coef > 0);
  const negative = ordered.filter((t) => t.coef < 0);
  let result;
  for (const t of positive) result = result === void 0 ? multiple(t) : add(result, multiple(t));
  let rest2 = constant4;
  if (result === void 0) {
    const first2 = negative[0];
    if (first2 === void 0) return int(constant4);
    if (constant4 > 0) {
      result = int(constant4);
      rest2 = 0;
    } else {
      result = first2.coef === -1 ? neg(first2.atom) : mul(first2.atom, int(first2.coef));
      negative.shift();
    }
  }
  for (const { atom, coef } of negative) result = sub(result, multiple({ atom, coef: -coef }));
  if (rest2 > 0) return add(result, int(rest2));
  return rest2 < 0 ? sub(result, int(-rest2)) : result;
}
function multiple({ atom, coef }) {
  return coef === 1 ? atom : mul(atom, int(coef));
}
function quotientParts(atom, fn) {
  if (atom.kind !== "apply" || atom.fn !== fn || atom.type !== "i32") return void 0;
  const [x, c] = atom.args;
  return c.kind === "const" && c.value > 0 ? { x: linearOf(x), c: c.value } : void 0;
}
function quotient(x, fn, c) {
  return linearOf(apply(fn, toExpr(x), int(c)));
}
var init_linear = __esm({
  "src/ir/linear.ts"() {
    "use strict";
    init_bounds();
    init_expr();
    init_facts();
  }
});

// src/ir/division.ts
function gcd(a, b) {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
function divide(x, c) {
  if (c === 1) return x;
  const inside = remainder(x.constant, c);
  const whole = {
    terms: x.terms.filter((t) => t.coef % c === 0).map((t) => ({ atom: t.atom, coef: t.coef / c })),
    constant: (x.constant - inside) / c
  };
  const rest2 = { terms: x.terms.filter((t) => t.coef % c !== 0), constant: inside };
  return plus(whole, divideRest(rest2, c));
}
function divideRest(x, c) {
  if (x.terms.length === 0) return constant(0);
  const small = smallCoefficients(x, c);
  const block = sameBlock(intervalOfLinear(small), c);
  if (block !== void 0) {
    const { terms } = plus(x, small, -1);
    return { terms: terms.map((t) => ({ atom: t.atom, coef: t.coef / c })), constant: block };
  }
  for (const g of commonFactors(x.terms, c)) {
    const split2 = splitBy(x, g);
    if (split2 !== void 0) return divide(split2.multiples, c / g);
  }
  const [first2] = x.terms;
  if (x.terms.length === 1 && first2.coef === 1) {
    const inner = quotientParts(first2.atom, "floordiv");
    if (inner !== void 0) return divide(plus(inner.x, constant(x.constant * inner.c)), inner.c * c);
    const cyclic = quotientParts(first2.atom, "mod");
    if (cyclic !== void 0 && x.constant === 0 && cyclic.c % c === 0) {
      return modulo2(divide(cyclic.x, c), cyclic.c / c);
    }
  }
  return quotient(x, "floordiv", c);
}
function modulo2(x, c) {
  const early = inBlock(x, c);
  if (early !== void 0) return early;
  const reduced = reduce(x, c);
  const late = inBlock(smallCoefficients(reduced, c), c);
  if (late !== void 0) return late;
  for (const g of commonFactors(reduced.terms, c)) {
    const split2 = splitBy(reduced, g);
    if (split2 !== void 0) return plus(split2.below, modulo2(split2.multiples, c / g), g);
  }
  return quotient(reduced, "mod", c);
}
function inBlock(x, c) {
  const block = sameBlock(intervalOfLinear(x), c);
  return block === void 0 ? void 0 : { terms: x.terms, constant: x.constant - block * c };
}
function reduce(x, c) {
  const kept = [];
  let opened = constant(0);
  for (const term of x.terms) {
    if (term.coef % c === 0) continue;
    const inner = quotientParts(term.atom, "mod");
    if (inner !== void 0 && term.coef * inner.c % c === 0) opened = plus(opened, inner.x, term.coef);
    else kept.push(term);
  }
  const rest2 = { terms: kept, constant: remainder(x.constant + opened.constant, c) };
  return opened.terms.length === 0 ? rest2 : reduce(plus(rest2, { terms: opened.terms, constant: 0 }), c);
}
function smallCoefficients(x, c) {
  if (x.terms.every((t) => Math.abs(t.coef) < c)) return x;
  const terms = x.terms.map(({ atom, coef }) => ({ atom, coef: coef % c }));
  return { terms: terms.filter((t) => t.coef !== 0), constant: x.constant };
}
function commonFactors(terms, c) {
  const factors = [];
  for (const { coef } of terms) {
    const g = gcd(coef, c);
    if (g > 1 && !factors.includes(g)) factors.push(g);
  }
  return factors.sort((a, b) => b - a);
}
function splitBy(x, g) {
  const low = {
    terms: x.terms.filter((t) => t.coef % g !== 0),
    constant: remainder(x.constant, g)
  };
  const block = sameBlock(intervalOfLinear(low), g);
  if (block === void 0) return void 0;
  const multiples = {
    terms: x.terms.filter((t) => t.coef % g === 0).map((t) => ({ atom: t.atom, coef: t.coef / g })),
    constant: (x.constant - low.constant) / g + block
  };
  return { multiples, below: { terms: low.terms, constant: low.constant - block * g } };
}
function recombine(x) {
  if (x.terms.length < 2) return x;
  for (const { atom, coef } of x.terms) {
    const cyclic = quotientParts(atom, "mod");
    if (cyclic !== void 0) {
      const partner = divide(cyclic.x, cyclic.c);
      if (contains(x, partner, coef * cyclic.c)) {
        return recombine(plus(plus(without(x, atom), partner, -coef * cyclic.c), cyclic.x, coef));
      }
    }
    const whole = quotientParts(atom, "floordiv");
    if (whole !== void 0 && coef % whole.c === 0) {
      const factor = -coef / whole.c;
      if (contains(x, whole.x, factor)) {
        const rest2 = modulo2(whole.x, whole.c);
        return recombine(plus(plus(without(x, atom), whole.x, -factor), rest2, factor));
      }
    }
  }
  return x;
}
function without(x, atom) {
  return { terms: x.terms.filter((t) => t.atom !== atom), constant: x.constant };
}
function contains(x, part, factor) {
  if (part.terms.length === 0) return false;
  return part.terms.every(
    ({ atom, coef }) => x.terms.some((t) => t.coef === coef * factor && sameExpr(t.atom, atom))
  );
}
var remainder;
var init_division = __esm({
  "src/ir/division.ts"() {
    "use strict";
    init_bounds();
    init_expr();
    init_linear();
    init_scalar();
    remainder = scalarFns.mod.evaluate;
  }
});

// src/ir/comparison.ts
function decideComparison(fn, a, b) {
  const difference = recombine(plus(a, b, -1));
  switch (fn) {
    case "eq":
    case "ne":
      return isZero(difference, fn);
    case "lt":
    case "ge":
      return below(difference.terms, 0 - difference.constant, fn === "ge");
    case "le":
    case "gt":
      return below(difference.terms, 1 - difference.constant, fn === "gt");
    default:
      return fn;
  }
}
function below(terms, limit, negate) {
  const { lo, hi } = intervalOfLinear({ terms, constant: 0 });
  if (hi < limit) return bool(!negate);
  if (lo >= limit) return bool(negate);
  const g = terms.reduce((all, t) => gcd(all, t.coef), 0);
  if (g > 1) return below(divided(terms, g), Math.ceil(limit / g), negate);
  for (const factor of [...new Set(terms.map((t) => Math.abs(t.coef)))].sort((x, y) => y - x)) {
    if (factor === 1 || limit % factor !== 0) continue;
    const split2 = splitBy({ terms, constant: 0 }, factor);
    if (split2 === void 0) continue;
    return below(split2.multiples.terms, limit / factor - split2.multiples.constant, negate);
  }
  if (terms.every((t) => t.coef < 0)) return below(divided(terms, -1), 1 - limit, !negate);
  const { positive, negative } = sides(terms);
  if (limit === 1 && negative.length > 0) {
    return apply(negate ? "gt" : "le", side(positive, 0), side(negative, 0));
  }
  return apply(negate ? "ge" : "lt", side(positive, 0), side(negative, limit));
}
function isZero(x, fn) {
  const { lo, hi } = intervalOfLinear(x);
  const g = x.terms.reduce((all, t) => gcd(all, t.coef), 0);
  if (lo > 0 || hi < 0 || g > 0 && x.constant % g !== 0) return bool(fn === "ne");
  if (x.terms.length === 0) return bool(fn === "eq");
  const sign = sorted(x.terms)[0].coef > 0 ? g : -g;
  const { positive, negative } = sides(divided(x.terms, sign));
  return apply(fn, side(positive, 0), side(negative, (0 - x.constant) / sign));
}
function divided(terms, by) {
  return terms.map(({ atom, coef }) => ({ atom, coef: coef / by }));
}
function sides(terms) {
  return {
    positive: terms.filter((t) => t.coef > 0),
    negative: divided(
      terms.filter((t) => t.coef < 0),
      -1
    )
  };
}
function side(terms, constant4) {
  return toExpr({ terms, constant: constant4 });
}
var init_comparison = __esm({
  "src/ir/comparison.ts"() {
    "use strict";
    init_division();
    init_expr();
    init_linear();
  }
});

// src/ir/simplify.ts
function simplify(e) {
  if (e.kind === "axis") return simplifyAxis(e);
  if (e.kind !== "apply" && e.kind !== "load") return e;
  const facts = factsOf(e);
  if (facts.simplified === void 0) {
    const node = withChildren(e, children(e).map(simplify));
    facts.simplified = node.kind === "apply" ? simplifyApply(node) : node;
    if (facts.simplified.kind === "apply") factsOf(facts.simplified).simplified = facts.simplified;
  }
  return facts.simplified;
}
function divisibleBy(e, n) {
  return factorOf(simplify(e)) % n === 0;
}
function affineIn(e, axisName) {
  if (e.type !== "i32") return void 0;
  const { terms, constant: constant4 } = linearOf(simplify(e));
  const own2 = terms.find((t) => t.atom.kind === "axis" && t.atom.name === axisName);
  const others = terms.filter((t) => t !== own2);
  if (others.some((t) => axesOf(t.atom).has(axisName))) return void 0;
  return { coef: own2?.coef ?? 0, rest: toExpr({ terms: others, constant: constant4 }) };
}
function factorOf(e) {
  const { terms, constant: constant4 } = linearOf(e);
  return terms.reduce((g, { atom, coef }) => gcd(g, coef * factorOfAtom(atom)), Math.abs(constant4));
}
function factorOfAtom(e) {
  if (e.kind !== "apply" || e.type !== "i32") return 1;
  const [a, b, c] = e.args;
  if (e.fn === "mul") return factorOf(a) * factorOf(b);
  if (e.fn === "mod" || e.fn === "max" || e.fn === "min") return gcd(factorOf(a), factorOf(b));
  return e.fn === "where" ? gcd(factorOf(b), factorOf(c)) : 1;
}
function simplifyAxis(e) {
  const { lo, hi } = interval(e);
  return lo === hi ? int(lo) : e;
}
function simplifyApply(e) {
  const special = simplifyAnyType(e);
  if (special !== void 0) return special;
  switch (e.type) {
    case "i32":
      return e.args.every((a) => a.type !== "num") ? simplifyInteger(e) : e;
    case "bool":
      return simplifyTruth(e);
    case "num":
      return simplifyFloat(e);
    default:
      return e.type;
  }
}
function simplifyAnyType(e) {
  const [a, b, c] = e.args;
  switch (e.fn) {
    case "where":
      if (a.kind === "const") return as(e, a.value !== 0 ? b : c);
      if (sameExpr(b, c)) return as(e, b);
      return isApply(a, "not") ? simplify(apply("where", a.args[0], c, b)) : void 0;
    case "max":
    case "min":
      return sameExpr(a, b) ? as(e, a) : void 0;
    case "to_num":
    case "to_i32":
    case "to_bool":
      return a.type === e.type ? a : void 0;
    default:
      return void 0;
  }
}
function as(e, x) {
  return e.type === "num" && x.type === "i32" ? apply("to_num", x) : x;
}
function isApply(e, fn) {
  return e.kind === "apply" && e.fn === fn;
}
function isConst(e, value2) {
  return e.kind === "const" && e.value === value2;
}
function canonical(x) {
  return toExpr(recombine(x));
}
function simplifyInteger(e) {
  const [a, b, c] = e.args;
  switch (e.fn) {
    case "add":
    case "sub":
    case "neg":
      return canonical(linearOf(e));
    case "mul":
      if (a.kind === "const" || b.kind === "const") return canonical(linearOf(e));
      return exprKey(a) <= exprKey(b) ? e : apply("mul", b, a);
    case "floordiv":
      return b.kind === "const" && b.value > 0 ? canonical(divide(linearOf(a), b.value)) : e;
    case "mod":
      return b.kind === "const" && b.value > 0 ? canonical(modulo2(linearOf(a), b.value)) : e;
    case "max":
    case "min": {
      const difference = intervalOfLinear(plus(linearOf(a), linearOf(b), -1));
      if (difference.lo >= 0) return e.fn === "max" ? a : b;
      if (difference.hi <= 0) return e.fn === "max" ? b : a;
      return e;
    }
    case "clamp": {
      const inner = simplify(apply("max", a, b));
      const outer = simplify(apply("min", inner, c));
      return sameExpr(outer, inner) || sameExpr(inner, a) ? outer : e;
    }
    case "abs": {
      const { lo, hi } = interval(a);
      return lo >= 0 ? a : hi <= 0 ? simplify(neg(a)) : e;
    }
    case "sign": {
      const { lo, hi } = interval(a);
      return lo > 0 ? int(1) : hi < 0 ? int(-1) : e;
    }
    case "floor":
      return a;
    default:
      return e;
  }
}
function simplifyTruth(e) {
  const [a, b, c] = e.args;
  switch (e.fn) {
    case "not":
      if (isApply(a, "not")) return a.args[0];
      return a.kind === "apply" ? negated(a) ?? e : e;
    case "and":
      if (a.kind === "const") return a.value !== 0 ? b : a;
      if (b.kind === "const") return b.value !== 0 ? a : b;
      return sameExpr(a, b) ? a : e;
    case "or":
      if (a.kind === "const") return a.value !== 0 ? a : b;
      if (b.kind === "const") return b.value !== 0 ? b : a;
      return sameExpr(a, b) ? a : e;
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge":
      if (a.type === "i32" && b.type === "i32") return decideComparison(e.fn, linearOf(a), linearOf(b));
      if (a.type === "bool" && sameExpr(a, b)) return bool(e.fn === "eq");
      return e;
    case "where":
      if (isConst(b, 1) && isConst(c, 0)) return a;
      return isConst(b, 0) && isConst(c, 1) ? simplify(apply("not", a)) : e;
    default:
      return e;
  }
}
function negated(e) {
  if (!(e.fn in opposite) || e.args.some((a) => a.type === "num")) return void 0;
  return simplify(apply(opposite[e.fn], ...e.args));
}
function simplifyFloat(e) {
  const [a, b] = e.args;
  switch (e.fn) {
    case "add":
      if (isConst(b, 0)) return as(e, a);
      return isConst(a, 0) ? as(e, b) : e;
    case "sub":
      return isConst(b, 0) ? as(e, a) : e;
    case "mul":
      if (isConst(b, 1)) return as(e, a);
      return isConst(a, 1) ? as(e, b) : e;
    case "div":
    case "pow":
      return isConst(b, 1) ? as(e, a) : e;
    case "neg":
      return isApply(a, "neg") ? a.args[0] : e;
    case "abs":
    case "relu":
    case "floor":
    case "sign":
      return isApply(a, e.fn) ? a : e;
    default:
      return e;
  }
}
var opposite;
var init_simplify = __esm({
  "src/ir/simplify.ts"() {
    "use strict";
    init_bounds();
    init_comparison();
    init_division();
    init_expr();
    init_facts();
    init_linear();
    opposite = { eq: "ne", ne: "eq", lt: "ge", ge: "lt", le: "gt", gt: "le" };
  }
});

// src/ir/indexmap.ts
function mapAxes(out) {
  return out.map((extent2, k) => axis(`i${k}`, extent2));
}
function build(out, index2) {
  return { out: [...out], index: index2.map(simplify) };
}
function identityMap(shape) {
  return build(shape, mapAxes(shape));
}
function isIdentity(map, inShape) {
  return sameShape(map.out, inShape) && mapsEqual(map, identityMap(inShape));
}
function composeMaps(outer, inner) {
  if (outer.index.length !== inner.out.length) {
    throw new Error(`internal: ${printMap(outer)} does not give an index of ${printMap(inner)}`);
  }
  const axes = new Map(outer.index.map((e, k) => [`i${k}`, e]));
  return build(
    outer.out,
    inner.index.map((e) => substitute(e, axes))
  );
}
function reshapeMap(from, to) {
  const axes = mapAxes(to);
  const index2 = [];
  let a = 0;
  let b = 0;
  for (; ; ) {
    const [inRun, outRun] = [constantRun(from, a), constantRun(to, b)];
    if (numel(inRun) !== numel(outRun)) throw cannotReshape(from, to);
    index2.push(...reshapeRun(inRun, outRun, axes.slice(b, b + outRun.length)));
    a += inRun.length;
    b += outRun.length;
    if (from[a] !== to[b]) throw cannotReshape(from, to);
    if (a === from.length) return build(to, index2);
    index2.push(axes[b]);
    a++;
    b++;
  }
}
function constantRun(shape, start) {
  const run2 = [];
  for (let k = start; k < shape.length; k++) {
    const extent2 = shape[k];
    if (typeof extent2 === "string") break;
    run2.push(extent2);
  }
  return run2;
}
function reshapeRun(from, to, axes) {
  if (from.includes(0)) return from.map(() => int(0));
  const outStrides = stridesOf(to);
  const position = weighted(axes, outStrides);
  const inStrides = stridesOf(from);
  return from.map((extent2, j) => mod(floordiv(toExpr(position), int(inStrides[j])), int(extent2)));
}
function cannotReshape(from, to) {
  return new Error(`internal: cannot reshape [${from.join(", ")}] to [${to.join(", ")}]`);
}
function sliceMap(inShape, axis2, start, size, step = 1) {
  const out = inShape.with(axis2, size);
  const axes = mapAxes(out);
  return build(out, axes.with(axis2, add(mul(axes[axis2], int(step)), int(start))));
}
function broadcastMap(inShape, outShape, axes) {
  const all = mapAxes(outShape);
  return build(
    outShape,
    inShape.map((extent2, j) => {
      if (extent2 !== 1 && extent2 !== outShape[axes[j]]) {
        throw new Error(`internal: cannot lay ${extent2} along ${outShape[axes[j]]}`);
      }
      return extent2 === 1 ? int(0) : all[axes[j]];
    })
  );
}
function unfoldMap(inShape, axis2, size, step) {
  const extent2 = inShape[axis2];
  if (typeof extent2 === "string") throw new Error(`internal: windows along the symbolic extent ${extent2}`);
  const out = inShape.toSpliced(axis2, 1, Math.max(0, Math.floor((extent2 - size) / step) + 1), size);
  const axes = mapAxes(out);
  return build(out, axes.toSpliced(axis2, 2, add(mul(axes[axis2], int(step)), axes[axis2 + 1])));
}
function affineLayout(map, inShape) {
  const inner = constantRun(inShape, 1);
  if (inner.length < inShape.length - 1) return void 0;
  const inStrides = inShape.length === 0 ? [] : stridesOf([1, ...inner]);
  const { terms, constant: constant4 } = flatIndex(map, inStrides);
  const strides = map.out.map(() => 0);
  for (const { atom, coef } of terms) {
    if (atom.kind !== "axis") return void 0;
    strides[axisNumber(atom.name)] = coef;
  }
  return { offset: constant4, strides };
}
function flatIndex(map, strides) {
  return linearOf(simplify(toExpr(weighted(map.index, strides))));
}
function weighted(es, weights) {
  return es.reduce((total, e, k) => plus(total, linearOf(e), weights[k]), constant(0));
}
function axisNumber(name2) {
  return Number(name2.slice(1));
}
function mapsEqual(a, b) {
  return sameShape(a.out, b.out) && a.index.length === b.index.length && a.index.every((e, j) => sameExpr(simplify(e), simplify(b.index[j])));
}
function sameShape(a, b) {
  return a.length === b.length && a.every((extent2, k) => extent2 === b[k]);
}
function printMap(map) {
  const names = map.out.map((_, k) => `i${k}`).join(", ");
  const index2 = map.index.map((e) => printExpr(e)).join(", ");
  return map.out.length === 0 ? `() -> [${index2}]` : `(${names}: ${map.out.join(", ")}) -> [${index2}]`;
}
function compileMap(map, strides) {
  return compilePoint(toExpr(flatIndex(map, strides)));
}
function compilePoint(e) {
  const { terms, constant: constant4 } = linearOf(e);
  const axes = [];
  const coefs = [];
  const others = [];
  for (const { atom, coef } of terms) {
    if (atom.kind === "axis") {
      axes.push(axisNumber(atom.name));
      coefs.push(coef);
    } else others.push([compileAtom(atom), coef]);
  }
  const affine = (at2) => {
    let total = constant4;
    for (let k = 0; k < axes.length; k++) total += at2[axes[k]] * coefs[k];
    return total;
  };
  if (others.length === 0) return affine;
  return (at2) => {
    let total = affine(at2);
    for (const [value2, coef] of others) total += value2(at2) * coef;
    return total;
  };
}
function compileAtom(atom) {
  for (const fn of ["floordiv", "mod"]) {
    const parts = quotientParts(atom, fn);
    if (parts === void 0) continue;
    const x = compilePoint(toExpr(parts.x));
    const { c } = parts;
    if (fn === "floordiv") return (at2) => Math.floor(x(at2) / c);
    const { evaluate: evaluate2 } = scalarFns.mod;
    return (at2) => evaluate2(x(at2), c);
  }
  const value2 = compileExpr(atom);
  const noLeaf = () => {
    throw new Error("internal: an index map reads no values");
  };
  return (at2) => value2({ axis: (name2) => at2[axisNumber(name2)], load: noLeaf, tile: noLeaf });
}
function stridesOf(shape) {
  const strides = shape.map(() => 1);
  for (let k = shape.length - 2; k >= 0; k--) strides[k] = strides[k + 1] * shape[k + 1];
  return strides;
}
function numel(shape) {
  return shape.reduce((product4, extent2) => product4 * extent2, 1);
}
var init_indexmap = __esm({
  "src/ir/indexmap.ts"() {
    "use strict";
    init_expr();
    init_exprparse();
    init_exprprint();
    init_linear();
    init_scalar();
    init_simplify();
  }
});

// src/ir/stagetable.ts
function asLevel(level) {
  if (level === 0 || level === 1 || level === 2 || level === 3) return level;
  throw new Error(`internal: ${level} is no stage`);
}
function uniform(shape, level) {
  const cuts = shape.map((extent2) => [0, typeof extent2 === "number" ? extent2 : Number.POSITIVE_INFINITY]);
  return { cuts, table: Uint8Array.of(level), exact: true };
}
function isUniform(table) {
  return table.table.length === 1;
}
function segmentsOf(cuts) {
  return cuts.map((axis2) => axis2.length - 1);
}
function shapeOf(table) {
  return table.cuts.map(extentOf);
}
function extentOf(cuts) {
  return cuts[cuts.length - 1];
}
function segmentAt(cuts, i) {
  let low = 0;
  let high = cuts.length - 2;
  while (low < high) {
    const middle = low + high + 1 >> 1;
    if (cuts[middle] <= i) low = middle;
    else high = middle - 1;
  }
  return low;
}
function forEachCell(extents, visit) {
  const total = numel(extents);
  const point = extents.map(() => 0);
  for (let flat2 = 0; flat2 < total; flat2++) {
    visit(point, flat2);
    for (let a = extents.length - 1; a >= 0; a--) {
      if (++point[a] < extents[a]) break;
      point[a] = 0;
    }
  }
}
function fillTable(cuts, level, exact) {
  const extents = segmentsOf(cuts);
  const table = new Uint8Array(numel(extents));
  forEachCell(extents, (cell2, flat2) => {
    table[flat2] = level(cell2, flat2);
  });
  return limited(canonical2({ cuts, table, exact }));
}
function canonical2(table) {
  let result = table;
  for (let a = 0; a < table.cuts.length; a++) {
    const cuts = result.cuts[a];
    const differs = /* @__PURE__ */ new Set();
    forEachPair(result, a, (low, high, boundary) => {
      if (result.table[low] !== result.table[high]) differs.add(boundary);
    });
    if (differs.size < cuts.length - 2) {
      result = keepCuts(result, a, (k) => differs.has(k));
    }
  }
  return result;
}
function forEachPair({ cuts, table }, axis2, visit) {
  const extents = segmentsOf(cuts);
  const stride = stridesOf(extents)[axis2];
  const block = stride * extents[axis2];
  for (let start = 0; start < table.length; start += block) {
    for (let k = 1; k < extents[axis2]; k++) {
      for (let i = start + k * stride; i < start + (k + 1) * stride; i++) visit(i - stride, i, k);
    }
  }
}
function keepCuts({ cuts, table, exact }, axis2, keep2) {
  const old = cuts[axis2];
  const kept = [];
  const segment = [];
  for (let k = 0; k < old.length - 1; k++) {
    if (k === 0 || keep2(k)) kept.push(old[k]);
    segment.push(kept.length - 1);
  }
  kept.push(extentOf(old));
  const newCuts = cuts.with(axis2, kept);
  const strides = stridesOf(segmentsOf(newCuts));
  const joined = new Uint8Array(numel(segmentsOf(newCuts)));
  forEachCell(segmentsOf(cuts), (cell2, flat2) => {
    let to = 0;
    for (let a = 0; a < cell2.length; a++) to += (a === axis2 ? segment[cell2[a]] : cell2[a]) * strides[a];
    joined[to] = Math.max(joined[to], table[flat2]);
  });
  return { cuts: newCuts, table: joined, exact };
}
function limited(table) {
  if (table.table.length <= MAX_PIECES) return table;
  let result = { ...table, exact: false };
  while (result.table.length > WEIGHED_PIECES) {
    const segments = segmentsOf(result.cuts);
    const widest = segments.indexOf(Math.max(...segments));
    result = keepCuts(result, widest, (k) => k % 2 === 0);
  }
  while (result.table.length > MAX_PIECES) {
    const { axis: axis2, boundary } = cheapestBoundary(result);
    result = keepCuts(result, axis2, (k) => k !== boundary);
  }
  return canonical2(result);
}
function cheapestBoundary(table) {
  const volumes = volumesOf(table);
  let best = { axis: 0, boundary: 0, cost: Number.POSITIVE_INFINITY };
  for (let axis2 = 0; axis2 < table.cuts.length; axis2++) {
    const costs = table.cuts[axis2].map(() => 0);
    forEachPair(table, axis2, (low, high, boundary) => {
      const rise = table.table[high] - table.table[low];
      costs[boundary] += rise > 0 ? rise * volumes[low] : -rise * volumes[high];
    });
    for (let boundary = 1; boundary < costs.length - 1; boundary++) {
      if (costs[boundary] < best.cost) best = { axis: axis2, boundary, cost: costs[boundary] };
    }
  }
  return best;
}
function volumesOf({ cuts }) {
  const volumes = [];
  forEachCell(segmentsOf(cuts), (cell2) => {
    volumes.push(cell2.reduce((volume, s, a) => volume * (cuts[a][s + 1] - cuts[a][s]), 1));
  });
  return volumes;
}
function* pieces(table) {
  const { cuts } = table;
  const extents = segmentsOf(cuts);
  const strides = stridesOf(extents);
  for (let flat2 = 0; flat2 < table.table.length; flat2++) {
    const cell2 = extents.map((extent2, a) => Math.floor(flat2 / strides[a]) % extent2);
    yield {
      from: cell2.map((s, a) => cuts[a][s]),
      to: cell2.map((s, a) => cuts[a][s + 1]),
      level: asLevel(table.table[flat2])
    };
  }
}
function elementsOf(table) {
  const shape = shapeOf(table);
  const elements5 = new Uint8Array(numel(shape));
  if (isUniform(table)) return elements5.fill(table.table[0]);
  const strides = stridesOf(shape);
  const last2 = shape.length - 1;
  for (const { from, to, level } of pieces(table)) {
    const rows = from.slice(0, last2).map((f, a) => to[a] - f);
    forEachCell(rows, (row) => {
      const start = row.reduce((sum, i, a) => sum + (from[a] + i) * strides[a], 0);
      elements5.fill(level, start + from[last2], start + to[last2]);
    });
  }
  return elements5;
}
function tableOf(elements5, shape) {
  const strides = stridesOf(shape);
  if (elements5.length !== numel(shape)) throw new Error(`internal: ${elements5.length} stages for [${shape}]`);
  if (elements5.length === 0) return uniform(shape, 0);
  const cuts = shape.map((extent2, a) => {
    const stride = strides[a];
    const inner = [];
    for (let k = 1; k < extent2; k++) {
      if (sliceDiffers(elements5, k, stride, extent2)) inner.push(k);
    }
    return [0, ...inner, extent2];
  });
  const level = (cell2) => elements5[cell2.reduce((sum, s, a) => sum + cuts[a][s] * strides[a], 0)];
  return fillTable(cuts, level, true);
}
function sliceDiffers(elements5, k, stride, extent2) {
  for (let start = k * stride; start < elements5.length; start += stride * extent2) {
    for (let i = start; i < start + stride; i++) if (elements5[i] !== elements5[i - stride]) return true;
  }
  return false;
}
function stageMask(table, level) {
  return elementsOf(table).map((l) => l === level ? 1 : 0);
}
function maxLevel(table) {
  return asLevel(table.table.reduce((a, b) => Math.max(a, b), 0));
}
var MAX_PIECES, WEIGHED_PIECES;
var init_stagetable = __esm({
  "src/ir/stagetable.ts"() {
    "use strict";
    init_indexmap();
    MAX_PIECES = 256;
    WEIGHED_PIECES = 4096;
  }
});

// src/ir/stagetext.ts
var init_stagetext = __esm({
  "src/ir/stagetext.ts"() {
    "use strict";
    init_exprparse();
    init_stagetable();
  }
});

// src/ir/stageview.ts
function viewStage(table, map) {
  if (isUniform(table)) return { ...uniform(map.out, asLevel(table.table[0])), exact: table.exact };
  const finder = new CutFinder(map);
  for (const [j, cuts2] of table.cuts.entries()) finder.passes(linearOf(map.index[j]), cuts2.slice(1, -1));
  const cuts = finder.cuts();
  if (finder.complete && numel(segmentsOf(cuts)) <= MAX_CELLS) return exactView(table, map, cuts);
  return coarseView(table, map, thinned(cuts));
}
function exactView(table, map, cuts) {
  const strides = stridesOf(segmentsOf(table.cuts));
  const cutAxes = table.cuts.flatMap(
    (inner, j) => inner.length > 2 ? [{ inner, stride: strides[j], index: compilePoint(map.index[j]) }] : []
  );
  const point = cuts.map(() => 0);
  const level = (cell2) => {
    for (let a = 0; a < cell2.length; a++) point[a] = cuts[a][cell2[a]];
    let flat2 = 0;
    for (const { inner, stride, index: index2 } of cutAxes) flat2 += segmentAt(inner, index2(point)) * stride;
    return table.table[flat2];
  };
  return fillTable(cuts, level, table.exact);
}
function coarseView(table, map, cuts) {
  const strides = stridesOf(segmentsOf(table.cuts));
  const level = (cell2) => {
    const axes = /* @__PURE__ */ new Map();
    for (const [a, s] of cell2.entries()) axes.set(`i${a}`, { lo: cuts[a][s], hi: cuts[a][s + 1] - 1 });
    const from = [];
    const size = [];
    for (const [j, inner] of table.cuts.entries()) {
      const range2 = intervalWithin(map.index[j], axes);
      from.push(segmentAt(inner, range2.lo));
      size.push(segmentAt(inner, range2.hi) - from[j] + 1);
    }
    let latest3 = 0;
    forEachCell(size, (inBox) => {
      let flat2 = 0;
      for (let j = 0; j < inBox.length; j++) flat2 += (from[j] + inBox[j]) * strides[j];
      latest3 = Math.max(latest3, table.table[flat2]);
    });
    return latest3;
  };
  return { ...fillTable(cuts, level, false), exact: false };
}
function thinned(cuts) {
  const rank = cuts.filter((axis2) => axis2.length > 2).length;
  const most = Math.max(1, Math.floor(COARSE_CELLS ** (1 / Math.max(1, rank))));
  return cuts.map((axis2) => {
    const segments = axis2.length - 1;
    if (segments <= most) return [...axis2];
    return Array.from({ length: most + 1 }, (_, k) => axis2[Math.round(k * segments / most)]);
  });
}
function canReach({ terms, constant: constant4 }, lo, hi) {
  const [term, ...smaller] = [...terms].sort((a, b) => Math.abs(b.coef) - Math.abs(a.coef));
  if (term === void 0) return lo <= constant4 && constant4 <= hi;
  const others = { terms: smaller, constant: constant4 };
  const rest2 = intervalOfLinear(others);
  const range2 = interval(term.atom);
  const ends = [(lo - rest2.hi) / term.coef, (hi - rest2.lo) / term.coef];
  const first2 = Math.max(range2.lo, Math.ceil(Math.min(...ends)));
  const last2 = Math.min(range2.hi, Math.floor(Math.max(...ends)));
  if (last2 - first2 > 16) return true;
  for (let x = first2; x <= last2; x++) {
    if (canReach(others, lo - term.coef * x, hi - term.coef * x)) return true;
  }
  return false;
}
function viewElements(elements5, inShape, map) {
  const out = map.out.map((extent2) => {
    if (typeof extent2 === "string") throw new Error(`internal: the elements of an axis of extent ${extent2}`);
    return extent2;
  });
  const flatOf = compileMap(map, stridesOf(inShape));
  const view2 = new Uint8Array(numel(out));
  forEachCell(out, (point, flat2) => {
    view2[flat2] = elements5[flatOf(point)];
  });
  return view2;
}
var MAX_CELLS, COARSE_CELLS, MAX_POSITIONS, CutFinder;
var init_stageview = __esm({
  "src/ir/stageview.ts"() {
    "use strict";
    init_bounds();
    init_expr();
    init_indexmap();
    init_linear();
    init_stagetable();
    MAX_CELLS = 2 ** 18;
    COARSE_CELLS = 2 ** 10;
    MAX_POSITIONS = 2 ** 16;
    CutFinder = class {
      /** False if some cuts were too many to list. */
      complete = true;
      #ends;
      #found;
      constructor(map) {
        this.#ends = uniform(map.out, 0).cuts.map(extentOf);
        this.#found = map.out.map(() => /* @__PURE__ */ new Set());
      }
      cuts() {
        return this.#found.map((found, a) => [0, ...[...found].sort((x, y) => x - y), this.#ends[a]]);
      }
      /** Cuts wherever x passes one of the values: where `x ≥ value` may change. */
      passes(x, values) {
        if (values.length === 0) return;
        for (const term of x.terms) {
          const others = { terms: x.terms.filter((t) => t !== term), constant: x.constant };
          this.#atomPasses(term.atom, this.#positions(term, others, values));
        }
      }
      /** The values p of the term's atom between which and p − 1 the sum may pass one of `values`. */
      #positions({ atom, coef }, others, values) {
        const range2 = interval(atom);
        const rest2 = intervalOfLinear(others);
        const width = Math.abs(coef);
        const found = /* @__PURE__ */ new Set();
        for (const value2 of values) {
          const shift = coef > 0 ? 0 : coef;
          const ends = [(value2 + shift - rest2.hi) / coef, (value2 + shift + width - 1 - rest2.lo) / coef];
          const first2 = Math.max(range2.lo + 1, Math.ceil(Math.min(...ends)));
          const last2 = Math.min(range2.hi, Math.floor(Math.max(...ends)));
          if (last2 - first2 >= MAX_POSITIONS) {
            this.complete = false;
            continue;
          }
          for (let p = first2; p <= last2; p++) {
            const low = value2 + shift - coef * p;
            if (!found.has(p) && canReach(others, low, low + width - 1)) found.add(p);
          }
        }
        return [...found];
      }
      #atomPasses(atom, positions2) {
        if (positions2.length === 0) return;
        if (atom.kind === "axis") {
          const found = this.#found[Number(atom.name.slice(1))];
          for (const p of positions2) found.add(p);
          return;
        }
        const whole = quotientParts(atom, "floordiv");
        if (whole !== void 0) {
          this.passes(
            whole.x,
            positions2.map((p) => p * whole.c)
          );
          return;
        }
        const cyclic = quotientParts(atom, "mod");
        if (cyclic !== void 0) {
          const { lo, hi } = intervalOfLinear(cyclic.x);
          const [first2, last2] = [Math.floor(lo / cyclic.c), Math.floor(hi / cyclic.c)];
          if ((last2 - first2 + 1) * (positions2.length + 1) <= MAX_POSITIONS) {
            const passed = [];
            for (let k = first2; k <= last2; k++) {
              for (const p of [0, ...positions2]) passed.push(k * cyclic.c + p);
            }
            this.passes(cyclic.x, passed);
            return;
          }
          this.complete = false;
          return;
        }
        this.#everywhere(atom);
      }
      /** Nothing is known of how the atom moves: every position of every axis that it depends on. */
      #everywhere(atom) {
        for (const name2 of axesOf(atom).keys()) {
          const a = Number(name2.slice(1));
          if (this.#ends[a] > MAX_POSITIONS) this.complete = false;
          else for (let p = 1; p < this.#ends[a]; p++) this.#found[a].add(p);
        }
      }
    };
  }
});

// src/ir/stage.ts
function combine(tables, f) {
  const [first2] = tables;
  for (const { cuts: cuts2 } of tables) {
    if (cuts2.length !== first2.cuts.length || cuts2.some((c, a) => extentOf(c) !== extentOf(first2.cuts[a]))) {
      throw new Error("internal: stages of different shapes meet");
    }
  }
  const cuts = first2.cuts.map((_, a) => union(tables.map((table) => table.cuts[a])));
  const lookups = tables.map((table) => {
    const strides = stridesOf(segmentsOf(table.cuts));
    return cuts.map(
      (axis2, a) => axis2.slice(0, -1).map((start) => segmentAt(table.cuts[a], start) * strides[a])
    );
  });
  const level = (cell2) => f(
    ...tables.map((table, t) => {
      let flat2 = 0;
      for (let a = 0; a < cell2.length; a++) flat2 += lookups[t][a][cell2[a]];
      return table.table[flat2];
    })
  );
  return fillTable(
    cuts,
    level,
    tables.every((table) => table.exact)
  );
}
function union(cuts) {
  if (cuts.every((c) => c.length === 2)) return cuts[0];
  return [...new Set(cuts.flat())].sort((a, b) => a - b);
}
function joinStages(tables) {
  return tables.reduce((a, b) => combine([a, b], latest));
}
function mulStages(tables) {
  return tables.reduce((a, b) => combine([a, b], product));
}
function selectStages(cond, a, b) {
  if (!(cond instanceof Uint8Array)) return combine([cond, a, b], selection2);
  const chosen = elementsOf(b);
  const whenTrue = elementsOf(a);
  for (let i = 0; i < chosen.length; i++) if (cond[i] !== 0) chosen[i] = whenTrue[i];
  const table = tableOf(chosen, shapeOf(a));
  return { ...table, exact: table.exact && a.exact && b.exact };
}
function reduceStage(table, axes, keep2) {
  const kept = table.cuts.map((_, a) => a).filter((a) => keep2 || !axes.includes(a));
  const cuts = kept.map((a) => axes.includes(a) ? [0, 1] : table.cuts[a]);
  const strides = stridesOf(segmentsOf(cuts));
  const levels2 = new Uint8Array(segmentsOf(cuts).reduce((n, s) => n * s, 1));
  forEachCell(segmentsOf(table.cuts), (cell2, flat2) => {
    const to = kept.reduce((sum, a, k) => sum + (axes.includes(a) ? 0 : cell2[a] * strides[k]), 0);
    levels2[to] = Math.max(levels2[to], table.table[flat2]);
  });
  return fillTable(cuts, (_, flat2) => levels2[flat2], table.exact);
}
function concatStages(axis2, tables) {
  const [first2] = tables;
  const starts = [];
  const along = [0];
  let end = 0;
  for (const table of tables) {
    starts.push(end);
    const own2 = table.cuts[axis2];
    if (extentOf(own2) > 0) along.push(...own2.slice(1).map((c) => c + end));
    end += extentOf(own2);
  }
  if (along.length === 1) along.push(0);
  const cuts = first2.cuts.map((_, a) => a === axis2 ? along : union(tables.map((table) => table.cuts[a])));
  const level = (cell2) => {
    const position = cuts[axis2][cell2[axis2]];
    const t = starts.findLastIndex((start) => start <= position);
    const table = tables[t];
    const flat2 = table.cuts.reduce((sum, own2, a) => {
      const from = a === axis2 ? position - starts[t] : cuts[a][cell2[a]];
      return sum * (own2.length - 1) + segmentAt(own2, from);
    }, 0);
    return table.table[flat2];
  };
  return fillTable(
    cuts,
    level,
    tables.every((table) => table.exact)
  );
}
function padStage(table, axis2, before, after, level) {
  const strip = (extent2) => uniform(shapeOf(table).with(axis2, extent2), level);
  const parts = [...before > 0 ? [strip(before)] : [], table, ...after > 0 ? [strip(after)] : []];
  return concatStages(axis2, parts);
}
function replaceWhere(table, mask2, level) {
  const elements5 = elementsOf(table);
  for (let i = 0; i < elements5.length; i++) if (mask2[i] !== 0) elements5[i] = level;
  const replaced = tableOf(elements5, shapeOf(table));
  return { ...replaced, exact: replaced.exact && table.exact };
}
var latest, product, selection2;
var init_stage = __esm({
  "src/ir/stage.ts"() {
    "use strict";
    init_indexmap();
    init_stagetable();
    init_stagetable();
    init_stagetext();
    init_stageview();
    latest = Math.max;
    product = (a, b) => a === 0 || b === 0 ? 0 : Math.max(a, b);
    selection2 = (cond, a, b) => {
      if (cond === 0) return b;
      return a === 0 && b === 0 ? 0 : Math.max(cond, a, b);
    };
  }
});

// src/ir/ops/tensor.ts
function numel2(shape) {
  return shape.reduce((product4, extent2) => product4 * extent2, 1);
}
function bindExtent(extent2, sizes) {
  return typeof extent2 === "number" ? extent2 : sizes[extent2];
}
function bindShape(shape, sizes) {
  return shape.map((extent2) => bindExtent(extent2, sizes));
}
function newData(dtype, length2) {
  if (dtype === "num") return new Float64Array(length2);
  return dtype === "i32" ? new Int32Array(length2) : new Uint8Array(length2);
}
function forEachIndex(shape, visit) {
  const total = numel2(shape);
  const index2 = shape.map(() => 0);
  for (let flat2 = 0; flat2 < total; flat2++) {
    visit(index2, flat2);
    for (let j = shape.length - 1; j >= 0; j--) {
      if (++index2[j] < shape[j]) break;
      index2[j] = 0;
    }
  }
}
function stridedView(tensor2, map) {
  if (tensor2.strides !== void 0) throw new Error("internal: a view of a strided tensor");
  const layout2 = affineLayout(map, tensor2.shape);
  if (layout2 === void 0) return void 0;
  return {
    ...tensor2,
    shape: bindShape(map.out, { R: 0, N: 0 }),
    strides: layout2.strides,
    offset: layout2.offset
  };
}
function viewTensor(tensor2, map) {
  if (map === void 0 || isIdentity(map, tensor2.shape)) return tensor2;
  const view2 = stridedView(tensor2, map);
  if (view2 !== void 0) return densify(view2);
  const shape = bindShape(map.out, { R: 0, N: 0 });
  const data2 = newData(tensor2.dtype, numel2(shape));
  const flatOf = compileMap(map, stridesOf(tensor2.shape));
  const source = tensor2.data;
  forEachIndex(shape, (index2, flat2) => {
    data2[flat2] = source[flatOf(index2)];
  });
  return { shape, dtype: tensor2.dtype, data: data2 };
}
function densify(tensor2) {
  const { shape, dtype, data: source, strides, offset = 0 } = tensor2;
  if (strides === void 0) return tensor2;
  const data2 = newData(dtype, numel2(shape));
  const inner = shape.length === 0 ? 1 : shape[shape.length - 1];
  const step = strides[shape.length - 1] ?? 0;
  forEachIndex(shape.slice(0, -1), (index2, row) => {
    let from = offset;
    for (let j = 0; j < index2.length; j++) from += index2[j] * strides[j];
    for (let i = 0, to = row * inner; i < inner; i++, to++) data2[to] = source[from + i * step];
  });
  return { shape, dtype, data: data2 };
}
var init_tensor = __esm({
  "src/ir/ops/tensor.ts"() {
    "use strict";
    init_expr();
    init_indexmap();
  }
});

// src/ir/ops/contract.ts
function contractPair(operands, labels, target) {
  const [a, b = ONE] = operands;
  const extents = /* @__PURE__ */ new Map();
  for (const [k, operand] of operands.entries()) {
    for (const [j, label] of labels[k].entries()) extents.set(label, operand.shape[j]);
  }
  const shape = target.map((label) => extents.get(label) ?? 0);
  const out = new Float64Array(numel2(shape));
  const aSteps = stepsOf(a, labels[0]);
  const bSteps = stepsOf(b, labels[1] ?? []);
  const outStrides = stridesOf(shape);
  const order = [...target, ...[...extents.keys()].filter((label) => !target.includes(label))];
  const loops = order.map((label) => {
    const at2 = target.indexOf(label);
    const step = at2 < 0 ? 0 : outStrides[at2];
    return {
      extent: extents.get(label) ?? 0,
      a: aSteps.get(label) ?? 0,
      b: bSteps.get(label) ?? 0,
      out: step
    };
  });
  if (loops.every((loop) => loop.extent > 0)) run(a, b, out, innermostLast(loops));
  return { shape, dtype: "num", data: out };
}
function stepsOf(tensor2, labels) {
  const strides = tensor2.strides ?? stridesOf(tensor2.shape);
  const steps = /* @__PURE__ */ new Map();
  for (const [j, label] of labels.entries()) steps.set(label, (steps.get(label) ?? 0) + strides[j]);
  return steps;
}
function innermostLast(loops) {
  const spanned = (side2) => loops.reduce((n, loop) => loop[side2] === 0 ? n : n * loop.extent, 1);
  const large = spanned("b") >= spanned("a") ? "b" : "a";
  const contiguous = loops.findIndex((loop) => loop[large] === 1 && loop.extent > 1);
  const chosen = contiguous < 0 ? loops.length - 1 : contiguous;
  return [...loops.filter((_, i) => i !== chosen), ...loops.slice(chosen, chosen + 1)];
}
function run(a, b, out, loops) {
  const last2 = loops.at(-1);
  const swap = last2 !== void 0 && last2.a !== 0 && last2.b === 0;
  const [x, y] = swap ? [b, a] : [a, b];
  const steps = loops.map((loop) => {
    const [xStep, yStep] = swap ? [loop.b, loop.a] : [loop.a, loop.b];
    return { extent: loop.extent, x: xStep, y: yStep, out: loop.out };
  });
  const none = { extent: 1, x: 0, y: 0, out: 0 };
  const inner = steps.at(-1) ?? none;
  const middle = steps.at(-2) ?? none;
  const outer = steps.slice(0, -2);
  const kernel = kernelFor(middle, inner);
  const counter = outer.map(() => 0);
  let xAt = x.offset ?? 0;
  let yAt = y.offset ?? 0;
  let outAt = 0;
  for (; ; ) {
    kernel({ out, x: x.data, y: y.data, middle, inner }, outAt, xAt, yAt);
    let j = outer.length - 1;
    for (; j >= 0; j--) {
      const { extent: extent2, x: xStep, y: yStep, out: outStep } = outer[j];
      xAt += xStep;
      yAt += yStep;
      outAt += outStep;
      if (++counter[j] < extent2) break;
      xAt -= xStep * extent2;
      yAt -= yStep * extent2;
      outAt -= outStep * extent2;
      counter[j] = 0;
    }
    if (j < 0) return;
  }
}
function kernelFor(middle, inner) {
  if (inner.out === 0) return eachRow(dot);
  if (inner.x !== 0) return eachRow(multiply);
  return middle.out === 0 && inner.out === 1 && inner.y === 1 ? axpyRows : eachRow(axpy);
}
function eachRow(row) {
  return (nest, outAt, xAt, yAt) => {
    const { extent: extent2, x, y, out } = nest.middle;
    for (let i = 0; i < extent2; i++) row(nest, outAt + i * out, xAt + i * x, yAt + i * y);
  };
}
function dot({ out, x, y, inner }, outAt, xAt, yAt) {
  const { extent: extent2, x: xs, y: ys } = inner;
  let sum = 0;
  for (let i = 0, p = xAt, q = yAt; i < extent2; i++, p += xs, q += ys) sum += x[p] * y[q];
  if (Number.isNaN(sum)) {
    sum = 0;
    for (let i = 0, p = xAt, q = yAt; i < extent2; i++, p += xs, q += ys) {
      if (x[p] !== 0 && y[q] !== 0) sum += x[p] * y[q];
    }
  }
  out[outAt] += sum;
}
function axpy({ out, x, y, inner }, outAt, xAt, yAt) {
  const { extent: extent2, y: ys, out: os } = inner;
  const scale = x[xAt];
  if (scale === 0) return;
  if (Number.isFinite(scale)) {
    for (let i = 0, p = outAt, q = yAt; i < extent2; i++, p += os, q += ys) out[p] += scale * y[q];
  } else {
    for (let i = 0, p = outAt, q = yAt; i < extent2; i++, p += os, q += ys) {
      if (y[q] !== 0) out[p] += scale * y[q];
    }
  }
}
function axpyRows(nest, outAt, xAt, yAt) {
  const { out, x, y, middle, inner } = nest;
  const { extent: rows, x: xs, y: ys } = middle;
  const width = inner.extent;
  let r = 0;
  for (; r + 4 <= rows; r += 4) {
    const from = xAt + r * xs;
    const [a, b, c, d] = [x[from], x[from + xs], x[from + 2 * xs], x[from + 3 * xs]];
    const product4 = a * b * c * d;
    const y0 = yAt + r * ys;
    if (product4 === 0 || !Number.isFinite(product4)) {
      for (let k = 0; k < 4; k++) axpy(nest, outAt, from + k * xs, y0 + k * ys);
      continue;
    }
    const y1 = y0 + ys;
    const y2 = y1 + ys;
    const y3 = y2 + ys;
    for (let i = 0; i < width; i++) {
      out[outAt + i] += a * y[y0 + i] + b * y[y1 + i] + c * y[y2 + i] + d * y[y3 + i];
    }
  }
  for (; r < rows; r++) axpy(nest, outAt, xAt + r * xs, yAt + r * ys);
}
function multiply({ out, x, y, inner }, outAt, xAt, yAt) {
  const { extent: extent2, x: xs, y: ys, out: os } = inner;
  for (let i = 0, p = outAt, q = yAt, r = xAt; i < extent2; i++, p += os, q += ys, r += xs) {
    if (x[r] !== 0 && y[q] !== 0) out[p] += x[r] * y[q];
  }
}
var ONE;
var init_contract = __esm({
  "src/ir/ops/contract.ts"() {
    "use strict";
    init_indexmap();
    init_tensor();
    ONE = { shape: [], dtype: "num", data: new Float64Array([1]) };
  }
});

// src/ir/ops/def.ts
function sameShape2(a, b) {
  return a.length === b.length && a.every((extent2, j) => extent2 === b[j]);
}
function showShape(shape) {
  return `[${shape.join(", ")}]`;
}
function expectInputs(what, inputs, count2) {
  if (inputs.length !== count2)
    throw new OpError(`${what} takes ${count2} operand${count2 === 1 ? "" : "s"}, not ${inputs.length}`);
}
function expectType(what, type, allowed) {
  if (!allowed.includes(type.dtype))
    throw new OpError(`${what} takes ${allowed.join(" or ")}, not ${type.dtype}`);
}
function expectAxis(what, shape, at2) {
  if (!Number.isInteger(at2) || at2 < 0 || at2 >= shape.length) {
    throw new OpError(`${what} names axis ${at2} of a value of shape ${showShape(shape)}`);
  }
}
function constantExtent(what, shape, at2) {
  expectAxis(what, shape, at2);
  const extent2 = shape[at2];
  if (typeof extent2 !== "number") throw new OpError(`${what} cannot work along the batch axis ${extent2}`);
  return extent2;
}
function constantShape(shape) {
  return shape.map((extent2) => {
    if (typeof extent2 !== "number") throw new Error(`internal: the extent ${extent2} has no size here`);
    return extent2;
  });
}
function elements(type, sizes) {
  return numel2(bindShape(type.shape, sizes));
}
function atLeastLoad(table, shape) {
  return joinStages([table, uniform(shape, LOAD)]);
}
function joinAlong(table, shape, along) {
  const joined = reduceStage(table, [along], true);
  return viewStage(joined, {
    out: shape,
    index: shape.map((extent2, j) => j === along ? int(0) : axis(`i${j}`, extent2))
  });
}
function clampIndex(index2, extent2) {
  return min(max(index2, int(0)), int(extent2 - 1));
}
var ZERO, LOAD, USER, ITEM, REQUEST, OpError, IndexRangeError;
var init_def = __esm({
  "src/ir/ops/def.ts"() {
    "use strict";
    init_expr();
    init_stage();
    init_tensor();
    ZERO = 0;
    LOAD = 1;
    USER = 2;
    ITEM = 3;
    REQUEST = -1;
    OpError = class extends Error {
      name = "OpError";
    };
    IndexRangeError = class extends Error {
      name = "IndexRangeError";
      /** Which entry of the index tensor, row-major. */
      position;
      value;
      extent;
      constructor(position, value2, extent2) {
        super(`index ${value2} is outside [0, ${extent2})`);
        this.position = position;
        this.value = value2;
        this.extent = extent2;
      }
    };
  }
});

// src/ir/ops/einsum.ts
function labelExtents(op, inputs) {
  const extents = /* @__PURE__ */ new Map();
  for (const [k, labels] of op.operands.entries()) {
    const { shape } = inputs[k];
    if (labels.length !== shape.length)
      throw new OpError(`operand ${k + 1} of einsum has ${shape.length} axes, not ${labels.length}`);
    for (const [j, label] of labels.entries()) {
      const known = extents.get(label) ?? shape[j];
      if (known !== shape[j])
        throw new OpError(`an axis of einsum is ${known} long in one operand and ${shape[j]} in another`);
      extents.set(label, known);
    }
  }
  return extents;
}
function contractedLabels(op) {
  return [...new Set(op.operands.flat())].filter((label) => !op.out.includes(label));
}
function extentOf2(extents, label) {
  const extent2 = extents.get(label);
  if (extent2 === void 0) throw new OpError("einsum's result names an axis that no operand has");
  return extent2;
}
var einsum;
var init_einsum = __esm({
  "src/ir/ops/einsum.ts"() {
    "use strict";
    init_expr();
    init_stage();
    init_contract();
    init_def();
    init_tensor();
    einsum = {
      kind: "einsum",
      stageRule: "a product is zero where any factor is, else the latest of its factors; a sum is the latest of its terms, zeros skipped; worked out for every segment of the result",
      transpose: "einsum",
      strided: true,
      shape(op, inputs) {
        if (op.operands.length === 0) throw new OpError("einsum needs at least one operand");
        expectInputs("einsum", inputs, op.operands.length);
        for (const input of inputs) expectType("einsum", input, ["num"]);
        const extents = labelExtents(op, inputs);
        if (new Set(op.out).size !== op.out.length) throw new OpError("einsum's result names an axis twice");
        for (const label of contractedLabels(op)) {
          if (typeof extentOf2(extents, label) !== "number")
            throw new OpError("einsum cannot sum over the batch axis");
        }
        return { shape: op.out.map((label) => extentOf2(extents, label)), dtype: "num" };
      },
      stage(op, inputs, _type, ctx) {
        const extents = labelExtents(op, ctx.inputs);
        const contracted = contractedLabels(op);
        const joint = [...op.out, ...contracted];
        const out = joint.map((label) => extentOf2(extents, label));
        const axes = out.map((extent2, j) => axis(`i${j}`, extent2));
        const spread2 = inputs.map(
          (table, k) => viewStage(table, { out, index: op.operands[k].map((label) => axes[joint.indexOf(label)]) })
        );
        return reduceStage(
          mulStages(spread2),
          contracted.map((_, j) => op.out.length + j),
          false
        );
      },
      evaluate(op, inputs) {
        let labels = op.operands[0];
        let product4 = inputs[0];
        for (let k = 1; k < inputs.length; k++) {
          const later = /* @__PURE__ */ new Set([...op.out, ...op.operands.slice(k + 1).flat()]);
          const kept = [.../* @__PURE__ */ new Set([...labels, ...op.operands[k]])].filter((label) => later.has(label));
          const target = k === inputs.length - 1 ? op.out : kept;
          product4 = contractPair([product4, inputs[k]], [labels, op.operands[k]], target);
          labels = target;
        }
        return inputs.length === 1 ? contractPair([product4], [labels], op.out) : product4;
      },
      flops(op, inputs, _type, sizes) {
        const extents = labelExtents(op, inputs);
        const points = [...extents.values()].reduce(
          (product4, extent2) => product4 * bindExtent(extent2, sizes),
          1
        );
        const sums = contractedLabels(op).length > 0 ? 1 : 0;
        return points * (op.operands.length - 1 + sums);
      }
    };
  }
});

// src/ir/ops/gather.ts
function gatherShape(what, at2, inputs) {
  expectInputs(what, inputs, 2);
  const [x, index2] = inputs;
  expectAxis(what, x.shape, at2);
  constantExtent(what, x.shape, at2);
  expectType(`the index of ${what}`, index2, ["i32"]);
  if (!sameShape2(x.shape.slice(0, at2), index2.shape.slice(0, at2))) {
    throw new OpError(
      `${what} along axis ${at2} takes an index with the leading axes of ${showShape(x.shape)}, not ${showShape(index2.shape)}`
    );
  }
  return { shape: [...index2.shape, ...x.shape.slice(at2 + 1)], dtype: x.dtype };
}
function gatherStage(at2, [x, index2], shape, indexRank) {
  const axes = shape.map((extent2, j) => axis(`i${j}`, extent2));
  const rows = viewStage(reduceStage(x, [at2], false), {
    out: shape,
    index: [...axes.slice(0, at2), ...axes.slice(indexRank)]
  });
  const chosen = viewStage(index2, { out: shape, index: axes.slice(0, indexRank) });
  return mulStages([rows, atLeastLoad(chosen, shape)]);
}
function gather(at2, [x, index2], type) {
  const shape = constantShape(type.shape);
  const data2 = newData(type.dtype, numel2(shape));
  const extent2 = x.shape[at2];
  const outer = numel2(x.shape.slice(0, at2));
  const inner = numel2(x.shape.slice(at2 + 1));
  const picks = numel2(index2.shape.slice(at2));
  for (let row = 0, to = 0; row < outer; row++) {
    for (let i = 0; i < picks; i++) {
      const pick = index2.data[row * picks + i];
      if (!(pick >= 0 && pick < extent2)) throw new IndexRangeError(row * picks + i, pick, extent2);
      const from = (row * extent2 + pick) * inner;
      for (let c = 0; c < inner; c++) data2[to++] = x.data[from + c];
    }
  }
  return { shape, dtype: type.dtype, data: data2 };
}
function gatherElement(at2, index2, operand, [x, by]) {
  const rank = by.shape.length;
  const row = clampIndex(operand(1, index2.slice(0, rank)), constantExtent("a gather", x.shape, at2));
  return operand(0, [...index2.slice(0, at2), row, ...index2.slice(rank)]);
}
var GATHER_RULE, take, lookup, byRequest;
var init_gather = __esm({
  "src/ir/ops/gather.ts"() {
    "use strict";
    init_expr();
    init_stage();
    init_def();
    init_tensor();
    GATHER_RULE = "the latest of the index and of everything along the gathered axis; zero where all of that axis is";
    take = {
      kind: "take",
      stageRule: GATHER_RULE,
      transpose: "scatter_add",
      shape: (op, inputs) => gatherShape("take", op.axis, inputs),
      stage: (op, inputs, type, ctx) => gatherStage(op.axis, inputs, type.shape, ctx.inputs[1].shape.length),
      evaluate: (op, inputs, type) => gather(op.axis, inputs, type),
      flops: () => 0,
      element: (node, index2, operand, inputs) => gatherElement(node.op.axis, index2, operand, inputs)
    };
    lookup = {
      kind: "lookup",
      stageRule: GATHER_RULE,
      transpose: "scatter_add",
      shape: (_op, inputs) => gatherShape("lookup", 0, inputs),
      stage: (_op, inputs, type, ctx) => gatherStage(0, inputs, type.shape, ctx.inputs[1].shape.length),
      evaluate: (_op, inputs, type) => gather(0, inputs, type),
      flops: () => 0,
      element: (_node, index2, operand, inputs) => gatherElement(0, index2, operand, inputs)
    };
    byRequest = {
      kind: "by_request",
      stageRule: "item",
      transpose: "segment_sum",
      shape(_op, inputs) {
        expectInputs("by_request", inputs, 1);
        const [{ shape, dtype }] = inputs;
        if (shape[0] !== "R")
          throw new OpError(`by_request takes a value with one element a request, not ${showShape(shape)}`);
        return { shape: ["N", ...shape.slice(1)], dtype };
      },
      stage: (_op, _inputs, type) => uniform(type.shape, ITEM),
      evaluate(_op, [input], type, ctx) {
        const shape = constantShape(type.shape);
        const { request } = ctx;
        if (request === void 0) throw new Error("internal: by_request without a batch");
        return gather(0, [input, { shape: [shape[0]], dtype: "i32", data: request }], type);
      },
      flops: () => 0,
      element: (_node, index2, operand) => operand(0, [load(REQUEST, [index2[0]], "i32"), ...index2.slice(1)])
    };
  }
});

// src/ir/ops/layout.ts
function around(shape, axis2) {
  return { outer: numel2(shape.slice(0, axis2)), inner: numel2(shape.slice(axis2 + 1)) };
}
var view, concat, pad;
var init_layout = __esm({
  "src/ir/ops/layout.ts"() {
    "use strict";
    init_expr();
    init_stage();
    init_def();
    init_tensor();
    view = {
      kind: "view",
      stageRule: "each element has the stage of the element it shows",
      transpose: "view_adjoint",
      shape(_op, inputs) {
        expectInputs("a view", inputs, 1);
        return inputs[0];
      },
      stage: (_op, inputs) => inputs[0],
      evaluate: (_op, [input]) => input,
      flops: () => 0,
      element: (_node, index2, operand) => operand(0, index2)
    };
    concat = {
      kind: "concat",
      stageRule: "each element keeps its stage",
      transpose: "view",
      shape(op, inputs) {
        if (inputs.length === 0) throw new OpError("concat needs at least one operand");
        const [first2] = inputs;
        let along = 0;
        for (const input of inputs) {
          const same2 = (type) => type.shape.filter((_, j) => j !== op.axis);
          expectAxis("concat", input.shape, op.axis);
          if (input.dtype !== first2.dtype)
            throw new OpError(`concat takes one element type, not ${first2.dtype} and ${input.dtype}`);
          if (input.shape.length !== first2.shape.length || same2(input).some((extent2, j) => extent2 !== same2(first2)[j])) {
            throw new OpError(
              `concat along axis ${op.axis} takes shapes that agree elsewhere, not ${showShape(first2.shape)} and ${showShape(input.shape)}`
            );
          }
          along += constantExtent("concat", input.shape, op.axis);
        }
        return { shape: first2.shape.map((extent2, j) => j === op.axis ? along : extent2), dtype: first2.dtype };
      },
      stage: (op, inputs) => concatStages(op.axis, inputs),
      evaluate(op, inputs, type) {
        const shape = constantShape(type.shape);
        const data2 = newData(type.dtype, numel2(shape));
        const { outer, inner } = around(shape, op.axis);
        const stride = shape[op.axis] * inner;
        let start = 0;
        for (const input of inputs) {
          const length2 = input.shape[op.axis] * inner;
          for (let row = 0; row < outer; row++) {
            for (let i = 0; i < length2; i++) data2[row * stride + start + i] = input.data[row * length2 + i];
          }
          start += length2;
        }
        return { shape, dtype: type.dtype, data: data2 };
      },
      flops: () => 0,
      /** Nested selections on the axis; every piece's index is held within the piece, which costs nothing where bounds prove it. */
      element(node, index2, operand, inputs) {
        const { axis: axis2 } = node.op;
        const at2 = index2[axis2];
        const sizes = inputs.map((input) => constantExtent("concat", input.shape, axis2));
        let start = sizes.reduce((sum, size) => sum + size, 0);
        let result;
        for (let k = sizes.length - 1; k >= 0; k--) {
          start -= sizes[k];
          const piece2 = operand(k, index2.with(axis2, clampIndex(sub(at2, int(start)), sizes[k])));
          result = result === void 0 ? piece2 : where(lt(at2, int(start + sizes[k])), piece2, result);
        }
        if (result === void 0) throw new Error("internal: an empty concat");
        return result;
      }
    };
    pad = {
      kind: "pad",
      stageRule: "each element keeps its stage; the filling is zero if it is 0, else load",
      transpose: "view",
      shape(op, inputs) {
        expectInputs("pad", inputs, 1);
        const [{ shape, dtype }] = inputs;
        const size = constantExtent("pad", shape, op.axis);
        if (!(Number.isInteger(op.before) && Number.isInteger(op.after)) || op.before < 0 || op.after < 0) {
          throw new OpError(`pad adds whole elements, not ${op.before} before and ${op.after} after`);
        }
        if (dtype !== "num" && !Number.isInteger(op.fill))
          throw new OpError(`pad cannot fill ${dtype} with ${op.fill}`);
        return { shape: shape.with(op.axis, size + op.before + op.after), dtype };
      },
      stage: (op, [input]) => padStage(input, op.axis, op.before, op.after, op.fill === 0 ? ZERO : LOAD),
      evaluate(op, [input], type) {
        const shape = constantShape(type.shape);
        const data2 = newData(type.dtype, numel2(shape)).fill(op.fill);
        const { outer, inner } = around(shape, op.axis);
        const length2 = input.shape[op.axis] * inner;
        for (let row = 0; row < outer; row++) {
          const to = (row * shape[op.axis] + op.before) * inner;
          for (let i = 0; i < length2; i++) data2[to + i] = input.data[row * length2 + i];
        }
        return { shape, dtype: type.dtype, data: data2 };
      },
      flops: () => 0,
      element(node, index2, operand, inputs) {
        const { axis: axis2, before, fill } = node.op;
        const size = constantExtent("pad", inputs[0].shape, axis2);
        const at2 = sub(index2[axis2], int(before));
        const inside = and(ge(at2, int(0)), lt(at2, int(size)));
        const filling = { kind: "const", value: fill, type: node.type.dtype };
        return where(inside, operand(0, index2.with(axis2, clampIndex(at2, size))), filling);
      }
    };
  }
});

// src/ir/ops/rows.ts
function forEachRow(shape, axis2, visit) {
  const length2 = shape[axis2];
  const step = shape.slice(axis2 + 1).reduce((product4, extent2) => product4 * extent2, 1);
  const outer = shape.slice(0, axis2).reduce((product4, extent2) => product4 * extent2, 1);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < step; i++) visit(o * length2 * step + i, step, length2);
  }
}
var init_rows = __esm({
  "src/ir/ops/rows.ts"() {
    "use strict";
  }
});

// src/ir/ops/normalize.ts
function statisticsOf(row, op) {
  const total = (f) => row.reduce((sum, x) => sum + f(x), 0);
  const mean = op.norm === "layer" ? total((x) => x) / row.length : 0;
  const squares = total((x) => (x - mean) ** 2);
  return { mean, scale: 1 / Math.sqrt((op.norm === "l2" ? squares : squares / row.length) + op.eps) };
}
function minusInfinity(operand, shape, ctx) {
  if (numel2(shape) > TRACKED_ELEMENTS) return void 0;
  const node = ctx.node(operand.id);
  const inner = constantShape(node.type.shape);
  if (numel2(inner) > TRACKED_ELEMENTS) return void 0;
  const mask2 = nodeMinusInfinity(operand.id, inner, ctx);
  if (mask2 === void 0 || operand.map === void 0) return mask2;
  return viewElements(mask2, inner, operand.map);
}
function nodeMinusInfinity(id, shape, ctx) {
  const known = ctx.constant({ id });
  if (known !== void 0)
    return known.dtype === "num" ? Uint8Array.from(known.data, (x) => x === -Infinity ? 1 : 0) : void 0;
  const node = ctx.node(id);
  if (node.op.kind === "view") return minusInfinity(node.inputs[0], shape, ctx);
  if (node.op.kind !== "pointwise" || node.op.fn !== "where") return void 0;
  const [a, b] = [minusInfinity(node.inputs[1], shape, ctx), minusInfinity(node.inputs[2], shape, ctx)];
  const chosen = ctx.constant(node.inputs[0])?.data;
  if (a === void 0 && b === void 0) return void 0;
  return Uint8Array.from({ length: numel2(shape) }, (_, i) => {
    const [ifTrue, ifFalse] = [a?.[i] ?? 0, b?.[i] ?? 0];
    return chosen === void 0 ? ifTrue & ifFalse : chosen[i] !== 0 ? ifTrue : ifFalse;
  });
}
var normalize, rowStatistics, softmax, TRACKED_ELEMENTS;
var init_normalize = __esm({
  "src/ir/ops/normalize.ts"() {
    "use strict";
    init_stage();
    init_def();
    init_rows();
    init_tensor();
    normalize = {
      kind: "normalize",
      stageRule: "the latest of its row along the last axis; zero where the whole row is",
      transpose: "normalize_adjoint",
      shape(op, inputs) {
        expectInputs(`${op.norm}_norm`, inputs, 1);
        const [type] = inputs;
        expectType(`${op.norm}_norm`, type, ["num"]);
        if (constantExtent(`${op.norm}_norm`, type.shape, type.shape.length - 1) === 0)
          throw new OpError(`${op.norm}_norm of an empty row`);
        if (!(op.eps >= 0)) throw new OpError(`${op.norm}_norm needs eps of at least 0, not ${op.eps}`);
        return type;
      },
      stage(op, [input], type) {
        const joined = joinAlong(input, type.shape, type.shape.length - 1);
        return op.eps > 0 ? joined : atLeastLoad(joined, type.shape);
      },
      evaluate(op, [input], type) {
        const shape = constantShape(type.shape);
        const data2 = new Float64Array(numel2(shape));
        forEachRow(shape, shape.length - 1, (start, _step, length2) => {
          const row = Float64Array.from({ length: length2 }, (_, i) => input.data[start + i]);
          const { mean, scale } = statisticsOf(row, op);
          for (let i = 0; i < length2; i++) data2[start + i] = (row[i] - mean) * scale;
        });
        return { shape, dtype: "num", data: data2 };
      },
      // Layer: the sum, the differences, their squares' sum, the scaling; the others need no mean.
      flops: (op, _inputs, type, sizes) => (op.norm === "layer" ? 5 : 3) * elements(type, sizes)
    };
    rowStatistics = {
      kind: "row_statistics",
      stageRule: "the latest of its row along the last axis, at least load",
      transpose: "row_statistics_adjoint",
      shape(op, inputs, declared) {
        const { shape } = normalize.shape({ ...op, kind: "normalize" }, inputs, declared);
        return { shape: [...shape.slice(0, -1), 2], dtype: "num" };
      },
      stage(_op, [input], type, ctx) {
        const rank = type.shape.length;
        const rows = reduceStage(joinAlong(input, ctx.inputs[0].shape, rank - 1), [rank - 1], true);
        return atLeastLoad(concatStages(rank - 1, [rows, rows]), type.shape);
      },
      evaluate(op, [input], type) {
        const shape = constantShape(type.shape);
        const data2 = new Float64Array(numel2(shape));
        forEachRow(input.shape, input.shape.length - 1, (start, _step, length2) => {
          const row = Float64Array.from({ length: length2 }, (_, i) => input.data[start + i]);
          const { mean, scale } = statisticsOf(row, op);
          data2[start / length2 * 2] = mean;
          data2[start / length2 * 2 + 1] = scale;
        });
        return { shape, dtype: "num", data: data2 };
      },
      flops: (op, inputs, _type, sizes) => (op.norm === "layer" ? 4 : 2) * elements(inputs[0], sizes)
    };
    softmax = {
      kind: "softmax",
      stageRule: "zero where the operand is a constant -inf (seen through views and where with a compile-time condition); elsewhere the latest of the row's other elements, at least load",
      transpose: "softmax_adjoint",
      shape(op, inputs) {
        expectInputs("softmax", inputs, 1);
        expectType("softmax", inputs[0], ["num"]);
        constantExtent("softmax", inputs[0].shape, op.axis);
        return inputs[0];
      },
      stage(op, [input], type, ctx) {
        const hidden = minusInfinity(ctx.operands[0], constantShape(type.shape), ctx);
        if (hidden === void 0) return atLeastLoad(joinAlong(input, type.shape, op.axis), type.shape);
        const visible = replaceWhere(input, hidden, ZERO);
        return replaceWhere(atLeastLoad(joinAlong(visible, type.shape, op.axis), type.shape), hidden, ZERO);
      },
      evaluate(op, [input], type) {
        const shape = constantShape(type.shape);
        const data2 = new Float64Array(numel2(shape));
        forEachRow(shape, op.axis, (start, step, length2) => {
          let peak = -Infinity;
          for (let i = 0; i < length2; i++) peak = Math.max(peak, input.data[start + i * step]);
          if (peak === -Infinity) return;
          let sum = 0;
          for (let i = 0; i < length2; i++)
            sum += data2[start + i * step] = Math.exp(input.data[start + i * step] - peak);
          for (let i = 0; i < length2; i++) data2[start + i * step] /= sum;
        });
        return { shape, dtype: "num", data: data2 };
      },
      // The maximum, the difference, exp (8), the sum and a product by the reciprocal.
      flops: (_op, _inputs, type, sizes) => 12 * elements(type, sizes)
    };
    TRACKED_ELEMENTS = 2 ** 20;
  }
});

// src/ir/ops/pointwise.ts
function zeroRule(fn) {
  const { arity, zero } = scalarFns[fn];
  const only = (k) => zero(Array.from({ length: arity }, (_, j) => j === k));
  if (!zero(Array.from({ length: arity }, () => true))) return "never";
  if (arity > 1 && only(0)) return only(1) ? "any" : "first";
  return "all";
}
function applyStage(fn, inputs, shape) {
  switch (zeroRule(fn)) {
    case "all":
      return joinStages(inputs);
    case "any":
      return mulStages(inputs);
    case "first":
      return mulStages(inputs.map((table, k) => k === 0 ? table : atLeastLoad(table, shape)));
    case "never":
      return atLeastLoad(joinStages(inputs), shape);
  }
}
var pointwise;
var init_pointwise = __esm({
  "src/ir/ops/pointwise.ts"() {
    "use strict";
    init_expr();
    init_scalar();
    init_stage();
    init_def();
    init_tensor();
    pointwise = {
      kind: "pointwise",
      stageRule: "the latest of its operands, zeros skipped; zero where the function of those zeros is 0 (0\xB7v, 0/v, 0 + 0, gelu(0), \u2026); where(c, a, b) with a compile-time c takes the chosen operand's stage, element by element",
      transpose: "pointwise",
      shape(op, inputs) {
        expectInputs(op.fn, inputs, scalarFns[op.fn].arity);
        const { shape } = inputs[0];
        for (const other of inputs) {
          if (!sameShape2(shape, other.shape)) {
            throw new OpError(
              `${op.fn} takes operands of one shape, not ${showShape(shape)} and ${showShape(other.shape)}`
            );
          }
        }
        const dtype = resultType(
          op.fn,
          inputs.map((type) => type.dtype)
        );
        if (dtype === void 0)
          throw new OpError(`${op.fn} does not take (${inputs.map((type) => type.dtype).join(", ")})`);
        return { shape, dtype };
      },
      stage(op, inputs, type, ctx) {
        if (op.fn !== "where") return applyStage(op.fn, inputs, type.shape);
        const known = ctx.constant(ctx.operands[0]);
        return selectStages(known === void 0 ? inputs[0] : Uint8Array.from(known.data), inputs[1], inputs[2]);
      },
      evaluate(op, inputs, type) {
        const shape = constantShape(type.shape);
        const total = numel2(shape);
        const data2 = newData(type.dtype, total);
        const { arity, evaluate: evaluate2 } = scalarFns[op.fn];
        const [a, b, c] = inputs.map((input) => input.data);
        if (arity === 1) for (let i = 0; i < total; i++) data2[i] = evaluate2(a[i]);
        else if (arity === 2) for (let i = 0; i < total; i++) data2[i] = evaluate2(a[i], b[i]);
        else for (let i = 0; i < total; i++) data2[i] = evaluate2(a[i], b[i], c[i]);
        return { shape, dtype: type.dtype, data: data2 };
      },
      flops: (op, _inputs, type, sizes) => scalarFns[op.fn].flops * elements(type, sizes),
      element: (node, index2, operand, inputs) => apply(node.op.fn, ...inputs.map((_, k) => operand(k, index2)))
    };
  }
});

// src/ir/ops/reduce.ts
function resultStrides(shape, axes) {
  const strides = shape.map(() => 0);
  let step = 1;
  for (let j = shape.length - 1; j >= 0; j--) {
    if (axes.includes(j)) continue;
    strides[j] = step;
    step *= shape[j];
  }
  return strides;
}
var reduce2;
var init_reduce = __esm({
  "src/ir/ops/reduce.ts"() {
    "use strict";
    init_stage();
    init_def();
    init_tensor();
    reduce2 = {
      kind: "reduce",
      stageRule: "the latest of the elements it combines, zeros skipped; zero where all of them are",
      transpose: "broadcast",
      shape(op, inputs) {
        expectInputs(op.fn, inputs, 1);
        const [{ shape, dtype }] = inputs;
        expectType(op.fn, inputs[0], op.fn === "mean" ? ["num"] : ["num", "i32"]);
        for (const axis2 of op.axes) {
          expectAxis(op.fn, shape, axis2);
          if (constantExtent(op.fn, shape, axis2) === 0)
            throw new OpError(`${op.fn} over axis ${axis2}, which has no elements`);
        }
        if (new Set(op.axes).size !== op.axes.length) throw new OpError(`${op.fn} names an axis twice`);
        if (op.keep) return { shape: shape.map((extent2, j) => op.axes.includes(j) ? 1 : extent2), dtype };
        return { shape: shape.filter((_, j) => !op.axes.includes(j)), dtype };
      },
      stage: (op, [input]) => reduceStage(input, op.axes, op.keep),
      evaluate(op, [input], type) {
        const shape = constantShape(type.shape);
        const initial = op.fn === "max" ? -Infinity : op.fn === "min" ? Infinity : 0;
        const result = new Float64Array(numel2(shape)).fill(initial);
        const strides = resultStrides(input.shape, op.axes);
        const source = input.data;
        forEachIndex(input.shape, (index2, flat2) => {
          let to = 0;
          for (let j = 0; j < index2.length; j++) to += index2[j] * strides[j];
          const value2 = source[flat2];
          if (op.fn === "max") result[to] = Math.max(result[to], value2);
          else if (op.fn === "min") result[to] = Math.min(result[to], value2);
          else result[to] += value2;
        });
        const count2 = numel2(op.axes.map((axis2) => input.shape[axis2]));
        if (op.fn === "mean") for (let i = 0; i < result.length; i++) result[i] /= count2;
        const data2 = newData(type.dtype, result.length);
        data2.set(result);
        return { shape, dtype: type.dtype, data: data2 };
      },
      flops: (_op, [input], _type, sizes) => elements(input, sizes)
    };
  }
});

// src/ir/ops/selection.ts
function expectSelection(what, op, inputs) {
  expectInputs(what, inputs, 1);
  expectType(what, inputs[0], ["num", "i32"]);
  const size = constantExtent(what, inputs[0].shape, op.axis);
  if (!Number.isInteger(op.k) || op.k < 1 || op.k > size)
    throw new OpError(`${what} chooses 1 to ${size} of ${size}, not ${op.k}`);
  return inputs[0];
}
function ranking(row) {
  const before = (i, j) => {
    const [a, b] = [row[i], row[j]];
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
    if (a > b) return -1;
    return a < b ? 1 : i - j;
  };
  return row.map((_, i) => i).sort(before);
}
function rowAt(input, start, step, length2) {
  return Array.from({ length: length2 }, (_, i) => input.data[start + i * step]);
}
function selectionFlops(type, along, sizes) {
  return elements(type, sizes) * constantExtent("top_k", type.shape, along);
}
var RULE, topKMask, topKIndex;
var init_selection = __esm({
  "src/ir/ops/selection.ts"() {
    "use strict";
    init_def();
    init_rows();
    init_tensor();
    RULE = "the latest of its row along the axis, at least load";
    topKMask = {
      kind: "top_k_mask",
      stageRule: RULE,
      transpose: "none",
      shape: (op, inputs) => ({ shape: expectSelection("top_k_mask", op, inputs).shape, dtype: "bool" }),
      stage: (op, [input], type) => atLeastLoad(joinAlong(input, type.shape, op.axis), type.shape),
      evaluate(op, [input]) {
        const data2 = newData("bool", numel2(input.shape));
        forEachRow(input.shape, op.axis, (start, step, length2) => {
          for (const i of ranking(rowAt(input, start, step, length2)).slice(0, op.k)) data2[start + i * step] = 1;
        });
        return { shape: input.shape, dtype: "bool", data: data2 };
      },
      flops: (op, [input], _type, sizes) => selectionFlops(input, op.axis, sizes)
    };
    topKIndex = {
      kind: "top_k_index",
      stageRule: RULE,
      transpose: "none",
      shape: (op, inputs) => ({
        shape: expectSelection("top_k_index", op, inputs).shape.with(op.axis, op.k),
        dtype: "i32"
      }),
      stage: (op, [input], type) => atLeastLoad(joinAlong(input, type.shape, op.axis), type.shape),
      evaluate(op, [input], type) {
        const shape = constantShape(type.shape);
        const data2 = newData("i32", numel2(shape));
        const chosen = [];
        forEachRow(input.shape, op.axis, (start, step, length2) => {
          chosen.push(ranking(rowAt(input, start, step, length2)).slice(0, op.k));
        });
        let row = 0;
        forEachRow(shape, op.axis, (start, step) => {
          for (const [i, position] of chosen[row++].entries()) data2[start + i * step] = position;
        });
        return { shape, dtype: "i32", data: data2 };
      },
      flops: (op, [input], _type, sizes) => selectionFlops(input, op.axis, sizes)
    };
  }
});

// src/ir/ops/sources.ts
function declaredType(what, inputs, declared) {
  expectInputs(what, inputs, 0);
  if (declared === void 0) throw new OpError(`${what} needs a declared type`);
  return declared;
}
function supplied(kind) {
  throw new Error(`internal: the value of a ${kind} comes from the evaluator`);
}
function fits(value2, dtype) {
  if (dtype === "num") return true;
  return dtype === "bool" ? value2 === 0 || value2 === 1 : value2 === (value2 | 0);
}
var TRACKED_ELEMENTS2, param, feature, constant2, DATA_TYPES, data, iota;
var init_sources = __esm({
  "src/ir/ops/sources.ts"() {
    "use strict";
    init_expr();
    init_stage();
    init_def();
    init_tensor();
    TRACKED_ELEMENTS2 = 2 ** 20;
    param = {
      kind: "param",
      stageRule: "load, whatever its initialiser",
      transpose: "accumulate",
      shape: (_op, inputs, declared) => declaredType("a parameter", inputs, declared),
      stage: (_op, _inputs, type) => uniform(type.shape, LOAD),
      evaluate: () => supplied("param"),
      flops: () => 0,
      element: (node, index2) => load(node.id, index2, node.type.dtype)
    };
    feature = {
      kind: "feature",
      stageRule: "user or item, as declared",
      transpose: "none",
      shape: (_op, inputs, declared) => declaredType("a feature", inputs, declared),
      stage(op, _inputs, type, ctx) {
        const info = ctx.feature(op.name);
        if (info === void 0) throw new Error(`internal: no feature is called ${op.name}`);
        return uniform(type.shape, info.stage === "user" ? USER : ITEM);
      },
      evaluate: () => supplied("feature"),
      flops: () => 0,
      element: (node, index2) => load(node.id, index2, node.type.dtype)
    };
    constant2 = {
      kind: "const",
      stageRule: "zero if the constant is 0, else load",
      transpose: "none",
      shape(op, inputs, declared) {
        const type = declaredType("a constant", inputs, declared);
        if (!fits(op.value, type.dtype)) throw new OpError(`the constant ${op.value} is no ${type.dtype}`);
        return type;
      },
      stage: (op, _inputs, type) => uniform(type.shape, op.value === 0 ? ZERO : LOAD),
      evaluate(op, _inputs, type) {
        const shape = constantShape(type.shape);
        return { shape, dtype: type.dtype, data: newData(type.dtype, numel2(shape)).fill(op.value) };
      },
      flops: () => 0,
      element: (node) => ({ kind: "const", value: node.op.value, type: node.type.dtype })
    };
    DATA_TYPES = { num: Float64Array, i32: Int32Array, bool: Uint8Array };
    data = {
      kind: "data",
      stageRule: "per element: zero if it is 0, else load",
      transpose: "none",
      shape(op, inputs, declared) {
        const type = declaredType("a table of constants", inputs, declared);
        if (!(op.values instanceof DATA_TYPES[type.dtype]))
          throw new OpError(`constants of type ${type.dtype} come in another array kind`);
        const shape = type.shape.filter((extent2) => typeof extent2 === "number");
        if (shape.length !== type.shape.length || numel2(shape) !== op.values.length) {
          throw new OpError(`${op.values.length} constants do not fill the shape ${showShape(type.shape)}`);
        }
        return type;
      },
      stage(op, _inputs, type) {
        if (op.values.length > TRACKED_ELEMENTS2 || !op.values.includes(0)) return uniform(type.shape, LOAD);
        const level = (value2) => value2 === 0 ? ZERO : LOAD;
        return tableOf(Uint8Array.from(op.values, level), constantShape(type.shape));
      },
      evaluate: (op, _inputs, type) => ({ shape: constantShape(type.shape), dtype: type.dtype, data: op.values }),
      flops: () => 0,
      element: (node, index2) => load(node.id, index2, node.type.dtype)
    };
    iota = {
      kind: "iota",
      stageRule: "load",
      transpose: "none",
      shape(_op, inputs, declared) {
        const type = declaredType("iota", inputs, declared);
        if (type.dtype !== "i32" || type.shape.length !== 1 || !sameShape2(
          type.shape,
          type.shape.filter((n) => typeof n === "number")
        )) {
          throw new OpError(`iota is a list of i32, not ${type.dtype}${showShape(type.shape)}`);
        }
        return type;
      },
      stage: (_op, _inputs, type) => uniform(type.shape, LOAD),
      evaluate(_op, _inputs, type) {
        const shape = constantShape(type.shape);
        return { shape, dtype: "i32", data: newData("i32", numel2(shape)).map((_, i) => i) };
      },
      flops: () => 0,
      element: (_node, index2) => index2[0]
    };
  }
});

// src/ir/ops/index.ts
function opDef(kind) {
  return opDefs[kind];
}
var opDefs;
var init_ops = __esm({
  "src/ir/ops/index.ts"() {
    "use strict";
    init_einsum();
    init_gather();
    init_layout();
    init_normalize();
    init_pointwise();
    init_reduce();
    init_selection();
    init_sources();
    opDefs = {
      param,
      feature,
      const: constant2,
      data,
      iota,
      pointwise,
      view,
      concat,
      pad,
      einsum,
      reduce: reduce2,
      normalize,
      row_statistics: rowStatistics,
      softmax,
      top_k_mask: topKMask,
      top_k_index: topKIndex,
      take,
      lookup,
      by_request: byRequest
    };
  }
});

// src/ir/tile.ts
function expressionsOf(s) {
  switch (s.kind) {
    case "dot":
      return [s.a, s.b];
    case "score": {
      const { gain, visible, segment } = s;
      const optional2 = [gain, visible?.from, visible?.to, segment].filter((e) => e !== void 0);
      return [s.a, s.b, s.weight, s.v, ...optional2];
    }
    case "store":
      return [...s.index, s.value];
    default:
      return [s.value];
  }
}
function batchOf(stage) {
  return stage === "item" ? "N" : stage === "user" ? "R" : void 0;
}
function workgroupsOf(kernel, rows, range2) {
  let total = 1;
  for (const { name: name2, extent: extent2, tile: tile2 } of kernel.grid) {
    const whole = typeof extent2 === "number" ? extent2 : extent2.times * rows;
    const length2 = range2 !== void 0 && kernel.slicing?.axis === name2 ? range2.to - range2.from : whole;
    total *= Math.ceil(length2 / tile2);
  }
  return total;
}
var init_tile = __esm({
  "src/ir/tile.ts"() {
    "use strict";
  }
});

// src/ir/error.ts
var InputError;
var init_error = __esm({
  "src/ir/error.ts"() {
    "use strict";
    InputError = class extends Error {
      /** `RMX06xx` weights, `RMX07xx` inputs, `RMX08xx` devices; the pages are in `grammar/codes/`. */
      code;
      notes;
      help;
      /** The process's exit status: 1 the data is wrong, 3 the device failed. */
      exit;
      constructor(code, message, detail = {}) {
        super(message);
        this.name = "InputError";
        this.code = code;
        this.notes = detail.notes ?? [];
        if (detail.help !== void 0) this.help = detail.help;
        this.exit = detail.exit ?? (code.startsWith("RMX08") ? 3 : 1);
      }
    };
  }
});

// src/ir/profiles.ts
var MiB, software, gpu;
var init_profiles = __esm({
  "src/ir/profiles.ts"() {
    "use strict";
    MiB = 1024 * 1024;
    software = {
      name: "software",
      limits: {
        storageBinding: 128 * MiB,
        bufferSize: 4 * 1024 * MiB - 1,
        storageBuffers: 16,
        offsetAlignment: 16,
        workgroupMemory: 32 * 1024,
        workgroupSize: 1024,
        workgroups: 65535
      },
      subgroup: { min: 8, max: 8 },
      features: { f16: true, software: true, timestamps: true }
    };
    gpu = {
      name: "gpu",
      limits: {
        storageBinding: 128 * MiB,
        bufferSize: 256 * MiB,
        storageBuffers: 10,
        offsetAlignment: 256,
        workgroupMemory: 16 * 1024,
        workgroupSize: 256,
        workgroups: 65535
      },
      features: { f16: false, software: false, timestamps: false }
    };
  }
});

// src/runtime/profile.ts
function missingLimits(plan, device2) {
  const missing = [];
  for (const name2 of limitNames) {
    const [needs2, has] = [plan.limits[name2], device2.limits[name2]];
    const enough = name2 === "offsetAlignment" ? has <= needs2 && needs2 % has === 0 : has >= needs2;
    if (!enough) missing.push(`${name2}: compiled for ${needs2}, the device has ${has}`);
  }
  const needs = plan.subgroup;
  if (needs !== void 0) {
    const has = device2.subgroup;
    if (has === void 0) missing.push("subgroups: the device has none");
    else if (has.min < needs.min || has.max > needs.max) {
      missing.push(
        `subgroup sizes: compiled for ${needs.min} to ${needs.max}, the device has ${has.min} to ${has.max}`
      );
    }
  }
  if (plan.features.f16 && !device2.features.f16) missing.push("f16: the device has no 16-bit floats");
  return missing;
}
var limitNames;
var init_profile = __esm({
  "src/runtime/profile.ts"() {
    "use strict";
    init_error();
    init_profiles();
    limitNames = [
      "storageBinding",
      "bufferSize",
      "storageBuffers",
      "offsetAlignment",
      "workgroupMemory",
      "workgroupSize",
      "workgroups"
    ];
  }
});

// src/runtime/quiet.ts
import { closeSync, openSync } from "node:fs";
function withoutNativeStderr(look) {
  const kept = tryOpen(`/proc/self/fd/${STDERR}`, "a");
  if (kept === void 0) return look();
  try {
    if (kept < STDERR) return look();
    closeSync(STDERR);
    openSync("/dev/null", "w");
    try {
      return look();
    } finally {
      closeSync(STDERR);
      openSync(`/proc/self/fd/${kept}`, "a");
    }
  } finally {
    closeSync(kept);
  }
}
function tryOpen(path, flags) {
  if (process.platform !== "linux") return void 0;
  try {
    return openSync(path, flags);
  } catch {
    return void 0;
  }
}
var STDERR;
var init_quiet = __esm({
  "src/runtime/quiet.ts"() {
    "use strict";
    STDERR = 2;
  }
});

// src/runtime/device.ts
async function openDevice(choice = "auto", options = {}) {
  if (choice === "reference") return referenceDevice();
  try {
    return await openWebGpu(options);
  } catch (error) {
    if (choice === "webgpu" || !(error instanceof InputError)) throw error;
    return referenceDevice(
      `running on the slow \`reference\` device: ${error.message}; ${error.help ?? "see `rmxc doctor`"}`
    );
  }
}
function referenceDevice(notice) {
  return {
    kind: "reference",
    name: "reference",
    description: "f64 reference evaluator on the CPU",
    profile: software,
    ...notice !== void 0 && { notice },
    lost: new Promise(() => {
    }),
    destroy: () => {
    }
  };
}
async function openWebGpu(options) {
  const owner = { instance: await findGpu() };
  try {
    return await openAdapter(owner, options);
  } catch (error) {
    owner.instance = void 0;
    throw error;
  }
}
function findAdapter(owner, options) {
  const look = async () => owner.instance?.requestAdapter({ powerPreference: options.power ?? "high-performance" });
  const found = options.quiet === true ? withoutNativeStderr(look) : look();
  return found.then((adapter) => adapter ?? null);
}
async function openAdapter(owner, options) {
  const adapter = await findAdapter(owner, options);
  if (adapter === null) throw new InputError("RMX0801", "WebGPU found no adapter", { help: driverHelp });
  const requiredLimits = {};
  for (const name2 of wantedLimits) requiredLimits[name2] = adapter.limits[name2];
  let gpu2;
  try {
    gpu2 = await adapter.requestDevice({
      requiredFeatures: wantedFeatures.filter((feature2) => adapter.features.has(feature2)),
      requiredLimits
    });
  } catch (error) {
    const notes = [error.message];
    throw new InputError("RMX0802", "the WebGPU adapter gave no device", {
      notes,
      help: "see `rmxc doctor`"
    });
  }
  const { info } = adapter;
  return {
    kind: "webgpu",
    gpu: gpu2,
    name: info.description || info.device || info.architecture || "unnamed adapter",
    description: [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(" \xB7 "),
    profile: profileOf(gpu2, info),
    lost: gpu2.lost.then(
      (lost) => lost.reason === "destroyed" ? void 0 : lost.message || "no reason given"
    ),
    destroy: () => {
      gpu2.destroy();
      owner.instance = void 0;
    }
  };
}
async function findGpu() {
  const browser = globalThis.navigator?.gpu;
  if (browser !== void 0) return browser;
  try {
    const { create, globals } = await import("webgpu");
    for (const [name2, value2] of Object.entries(globals)) {
      if (!(name2 in globalThis))
        Object.defineProperty(globalThis, name2, { value: value2, configurable: true, writable: true });
    }
    return create([]);
  } catch (error) {
    const [reason = ""] = error.message.split("\n");
    const help = "install the optional package with `npm install webgpu`, and see `rmxc doctor`";
    throw new InputError("RMX0801", "the package `webgpu` (Dawn) cannot be loaded", {
      notes: [reason],
      help
    });
  }
}
function profileOf(gpu2, info) {
  const { limits, features } = gpu2;
  const { subgroupMinSize: min2 = 0, subgroupMaxSize: max2 = 0 } = info;
  return {
    name: "device",
    limits: {
      storageBinding: limits.maxStorageBufferBindingSize,
      bufferSize: limits.maxBufferSize,
      storageBuffers: limits.maxStorageBuffersPerShaderStage,
      offsetAlignment: Math.max(
        limits.minStorageBufferOffsetAlignment,
        limits.minUniformBufferOffsetAlignment
      ),
      workgroupMemory: limits.maxComputeWorkgroupStorageSize,
      workgroupSize: limits.maxComputeInvocationsPerWorkgroup,
      workgroups: limits.maxComputeWorkgroupsPerDimension
    },
    ...features.has("subgroups") && min2 > 0 && max2 > 0 && { subgroup: { min: min2, max: max2 } },
    features: {
      f16: features.has("shader-f16"),
      software: info.isFallbackAdapter,
      timestamps: features.has("timestamp-query")
    }
  };
}
var driverHelp, wantedFeatures, wantedLimits;
var init_device = __esm({
  "src/runtime/device.ts"() {
    "use strict";
    init_error();
    init_profiles();
    init_quiet();
    driverHelp = "install a Vulkan driver (the package's scripts/driver.sh installs Mesa's software driver on Debian and Ubuntu)";
    wantedFeatures = ["shader-f16", "subgroups", "timestamp-query"];
    wantedLimits = [
      "maxStorageBufferBindingSize",
      "maxBufferSize",
      "maxStorageBuffersPerShaderStage",
      "maxComputeWorkgroupStorageSize",
      "maxComputeInvocationsPerWorkgroup",
      "maxComputeWorkgroupSizeX",
      "maxComputeWorkgroupSizeY",
      "maxComputeWorkgroupSizeZ",
      "maxComputeWorkgroupsPerDimension",
      "minStorageBufferOffsetAlignment",
      "minUniformBufferOffsetAlignment"
    ];
  }
});

// src/runtime/weights.ts
function countOf(shape) {
  return shape.reduce((product4, extent2) => product4 * extent2, 1);
}
function byPath(params) {
  return new Map(params.map((param3) => [param3.path, param3]));
}
var KeptReads;
var init_weights = __esm({
  "src/runtime/weights.ts"() {
    "use strict";
    KeptReads = class {
      #params;
      #kept = /* @__PURE__ */ new Map();
      #load;
      constructor(params, load2) {
        this.#params = params;
        this.#load = load2;
      }
      read(path, start, count2) {
        const param3 = this.#params.get(path);
        if (param3 === void 0) throw new Error(`internal: no parameter ${path}`);
        const size = countOf(param3.shape);
        if (start < 0 || count2 < 0 || start + count2 > size) {
          throw new Error(`internal: read [${start}, ${start + count2}) of ${path} with ${size} elements`);
        }
        const kept = this.#kept.get(path);
        if (kept !== void 0) return count2 === size ? kept : kept.subarray(start, start + count2);
        const values = this.#load(param3, start, count2);
        if (count2 === size && !param3.table) this.#kept.set(path, values);
        return values;
      }
      release() {
        this.#kept.clear();
      }
    };
  }
});

// src/runtime/inputs.ts
function rowNoun(stage, count2 = 1) {
  return `${stage === "user" ? "request" : "candidate"}${count2 === 1 ? "" : "s"}`;
}
function checkInputs(features, stage, given, rows) {
  const declared = features.filter((feature2) => feature2.stage === stage);
  const count2 = checkNames2(declared, stage, given, rows);
  const lengths = /* @__PURE__ */ new Map();
  const checked = /* @__PURE__ */ new Map();
  for (const feature2 of declared) {
    const { lengthOf } = feature2;
    if (lengthOf === void 0) continue;
    const values = given[feature2.name];
    const array = values === void 0 ? new Int32Array(count2).fill(lengthOf.max) : asIntegers(feature2, values);
    checkLengths(feature2, array, lengthOf.max);
    lengths.set(feature2.name, array);
  }
  for (const feature2 of declared) {
    const length2 = feature2.length === void 0 ? void 0 : lengths.get(feature2.length);
    const array = lengths.get(feature2.name) ?? checkValues(feature2, given[feature2.name] ?? [], length2);
    checked.set(feature2.name, array);
  }
  return { rows: count2, features: checked };
}
function checkNames2(declared, stage, given, rows) {
  const wrong = [];
  let count2 = rows;
  let saidBy = "the call";
  for (const feature2 of declared) {
    const values = given[feature2.name];
    if (values === void 0) {
      if (feature2.lengthOf === void 0) wrong.push(`missing: \`${feature2.name}\` ${featureType(feature2)}`);
      continue;
    }
    const unit = countOf(feature2.shape);
    const here = unit === 0 ? count2 ?? 0 : values.length / unit;
    if (!Number.isInteger(here)) {
      wrong.push(
        `wrong size: \`${feature2.name}\` has ${values.length} values, no multiple of ${unit} a ${rowNoun(stage)}`
      );
    } else if (count2 !== void 0 && here !== count2) {
      wrong.push(
        `wrong size: \`${feature2.name}\` has ${here} ${rowNoun(stage, here)}, ${saidBy} has ${count2}`
      );
    } else if (count2 === void 0) {
      count2 = here;
      saidBy = `\`${feature2.name}\``;
    }
  }
  const names = new Set(declared.map((feature2) => feature2.name));
  for (const name2 of Object.keys(given)) {
    if (!names.has(name2)) wrong.push(`unknown: \`${name2}\` is no ${stage} feature of the model`);
  }
  if (wrong.length > 0) throw misfit2(`the ${stage} features do not fit the model`, wrong);
  if (count2 === void 0 && stage === "item") {
    throw misfit2("the number of candidates is not known", [
      "the model has no item features, so the call must say it"
    ]);
  }
  return count2 ?? 1;
}
function misfit2(message, notes) {
  return new InputError("RMX0703", message, {
    notes,
    help: "`rmxc check SPEC` lists the features with their shapes"
  });
}
function featureType(feature2) {
  const batch2 = feature2.stage === "user" ? "R" : "N";
  return `${feature2.dtype} [${[batch2, ...feature2.shape].join(", ")}]`;
}
function place2(feature2, at2) {
  const unit = countOf(feature2.shape);
  const row = `${rowNoun(feature2.stage)} ${Math.floor(at2 / unit)}`;
  return unit === 1 ? row : `${row}, entry ${at2 % unit}`;
}
function asIntegers(feature2, values) {
  if (values instanceof Int32Array) return values;
  const out = new Int32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const value2 = values[i] ?? NaN;
    if (value2 !== (value2 | 0)) throw notI32(feature2, i, value2);
    out[i] = value2;
  }
  return out;
}
function notI32(feature2, at2, value2) {
  return new InputError("RMX0705", `\`${feature2.name}\` holds a value that is no 32-bit integer`, {
    notes: [`${place2(feature2, at2)} is ${value2}`]
  });
}
function checkLengths(feature2, lengths, max2) {
  for (let row = 0; row < lengths.length; row++) {
    const value2 = lengths[row] ?? 0;
    if (value2 < 0 || value2 > max2) {
      throw new InputError("RMX0706", `\`${feature2.name}\` holds a length outside 0 to ${max2}`, {
        notes: [`${place2(feature2, row)} is ${value2}`]
      });
    }
  }
}
function checkValues(feature2, values, lengths) {
  const rows = values.length / Math.max(1, countOf(feature2.shape));
  const perRow = countOf(feature2.shape);
  const perEntry = countOf(feature2.shape.slice(1));
  const cleared = lengths === void 0 ? values : clearPadding(values, rows, perRow, perEntry, lengths);
  if (feature2.dtype === "f32") {
    const array2 = cleared instanceof Float32Array ? cleared : Float32Array.from(cleared);
    for (let i = 0; i < array2.length; i++) {
      if (!Number.isFinite(array2[i])) {
        throw new InputError("RMX0708", `\`${feature2.name}\` holds a value that is not finite`, {
          notes: [`${place2(feature2, i)} is ${array2[i]}`]
        });
      }
    }
    return array2;
  }
  const array = asIntegers(feature2, cleared);
  const { table } = feature2;
  if (table === void 0) return array;
  for (let i = 0; i < array.length; i++) {
    const id = array[i] ?? 0;
    if (id < 0 || id >= table.rows) {
      throw new InputError("RMX0704", `\`${feature2.name}\` holds an id outside its table`, {
        notes: [
          `${place2(feature2, i)} is ${id}; the table \`${table.path}\` has the rows 0 to ${table.rows - 1}`
        ]
      });
    }
  }
  return array;
}
function clearPadding(values, rows, perRow, perEntry, lengths) {
  let copy;
  for (let row = 0; row < rows; row++) {
    for (let i = row * perRow + (lengths[row] ?? 0) * perEntry; i < (row + 1) * perRow; i++) {
      if (values[i] === 0) continue;
      copy ??= values instanceof Float32Array || values instanceof Int32Array ? values.slice() : Array.from(values);
      copy[i] = 0;
    }
  }
  return copy ?? values;
}
function checkRequest(given, candidates, requests) {
  if (given === void 0) {
    if (requests === 1 || candidates === 0) return new Int32Array(candidates);
    throw new InputError(
      "RMX0707",
      `there are ${requests} requests, but nothing says which candidate belongs to which`,
      {
        help: "give `request`, i32 [N]: the number of each candidate's request, from 0"
      }
    );
  }
  if (given.length !== candidates) {
    throw misfit2("`request` does not fit the candidates", [
      `it has ${given.length} entries for ${candidates} candidates`
    ]);
  }
  const out = new Int32Array(candidates);
  for (let n = 0; n < candidates; n++) {
    const value2 = given[n] ?? -1;
    if (!Number.isInteger(value2) || value2 < 0 || value2 >= requests) {
      throw new InputError("RMX0707", "`request` names a request that does not exist", {
        notes: [`candidate ${n} says ${value2}; the requests are 0 to ${requests - 1}`]
      });
    }
    out[n] = value2;
  }
  return out;
}
function sliceRows2(features, inputs, from, to) {
  const sliced = /* @__PURE__ */ new Map();
  for (const feature2 of features) {
    const array = inputs.features.get(feature2.name);
    const unit = countOf(feature2.shape);
    if (array !== void 0) sliced.set(feature2.name, array.subarray(from * unit, to * unit));
  }
  return { rows: to - from, features: sliced };
}
function stageValues(features, inputs, stage) {
  const values = {};
  for (const { name: name2, stage: of } of features) {
    const array = inputs.features.get(name2);
    if (of === stage && array !== void 0) values[name2] = array;
  }
  return values;
}
var init_inputs = __esm({
  "src/runtime/inputs.ts"() {
    "use strict";
    init_error();
    init_weights();
  }
});

// src/runtime/engine/cache.ts
function sizeOf(handle) {
  return Math.max(1, handle.bytes);
}
var UserCache;
var init_cache = __esm({
  "src/runtime/engine/cache.ts"() {
    "use strict";
    init_error();
    UserCache = class {
      #engine;
      #maxBytes;
      /** Oldest use first: a Map keeps the order of insertion, and a use inserts anew. */
      #entries = /* @__PURE__ */ new Map();
      #underWay = /* @__PURE__ */ new Map();
      #bytes = 0;
      #hits = 0;
      #misses = 0;
      #evictions = 0;
      constructor(engine, { maxBytes }) {
        this.#engine = engine;
        this.#maxBytes = maxBytes;
      }
      /** A handle of the caller's own to the entry, to be freed; undefined if there is none. */
      get(key) {
        const found = this.#use(key);
        if (found === void 0) this.#misses++;
        else this.#hits++;
        return found?.retain();
      }
      /**
       * As `get`, but computes the entry where there is none. Calls for one key that meet share one computation, and its failure.
       */
      async user(key, features, options) {
        const found = this.#use(key);
        if (found !== void 0) {
          this.#hits++;
          return found.retain();
        }
        const underWay = this.#underWay.get(key);
        if (underWay !== void 0) {
          this.#hits++;
          return new Promise((resolve, reject) => underWay.joined.push({ resolve, reject }));
        }
        this.#misses++;
        const computation = { joined: [] };
        this.#underWay.set(key, computation);
        try {
          const handle = await this.#compute(features, options);
          const own2 = handle.retain();
          for (const { resolve } of computation.joined) resolve(handle.retain());
          if (this.#end(key, computation)) this.put(key, handle);
          else handle.free();
          return own2;
        } catch (error) {
          this.#end(key, computation);
          for (const { reject } of computation.joined) reject(error);
          throw error;
        }
      }
      /** Gives the cache a handle, such as one that was deserialised; the cache frees it. */
      put(key, handle) {
        this.delete(key);
        this.#entries.set(key, handle);
        this.#bytes += sizeOf(handle);
        while (this.#bytes > this.#maxBytes && this.#evictOldest()) ;
      }
      /**
       * Drops an entry: its user has done something that changes the results. What is under way is not entered any more. False if there
       * is neither.
       */
      delete(key) {
        const underWay = this.#underWay.delete(key);
        return this.#drop(key) || underWay;
      }
      clear() {
        this.#underWay.clear();
        for (const key of [...this.#entries.keys()]) this.#drop(key);
      }
      stats() {
        return {
          hits: this.#hits,
          misses: this.#misses,
          evictions: this.#evictions,
          entries: this.#entries.size,
          bytes: this.#bytes
        };
      }
      /** False if the key was deleted since the computation began. */
      #end(key, computation) {
        return this.#underWay.get(key) === computation && this.#underWay.delete(key);
      }
      #drop(key) {
        const handle = this.#entries.get(key);
        if (handle === void 0) return false;
        this.#entries.delete(key);
        this.#bytes -= sizeOf(handle);
        handle.free();
        return true;
      }
      /** The entry, now the most recently used. One that its engine lost with its device is dropped. */
      #use(key) {
        const handle = this.#entries.get(key);
        if (handle === void 0) return void 0;
        if (!handle.live) {
          this.#drop(key);
          return void 0;
        }
        this.#entries.delete(key);
        this.#entries.set(key, handle);
        return handle;
      }
      /** Where the device has no slot left, entries make room one after another. */
      async #compute(features, options) {
        const values = typeof features === "function" ? await features() : features;
        for (; ; ) {
          try {
            return await this.#engine.user(values, options);
          } catch (error) {
            const full = error instanceof InputError && error.code === "RMX0808";
            if (!full || !this.#evictOldest()) throw error;
          }
        }
      }
      #evictOldest() {
        for (const key of this.#entries.keys()) {
          this.#evictions++;
          return this.#drop(key);
        }
        return false;
      }
    };
  }
});

// src/runtime/engine/handles.ts
function invalid(reason) {
  return new InputError("RMX0709", "a user handle is not valid in this engine", { notes: [reason] });
}
async function holding(keeper, users, use) {
  keeper.check();
  const held = [];
  try {
    for (const user of Array.isArray(users) ? users : [users]) {
      if (!(user instanceof Handle)) throw invalid("it is no handle of an engine");
      if (user.keeper !== keeper) {
        throw invalid(
          user.keeper.live ? "another engine made it" : "the device that kept its results is gone"
        );
      }
      held.push(user.retain());
    }
    return await use(held.map((handle) => handle.kept));
  } finally {
    for (const handle of held) handle.free();
  }
}
var Handle;
var init_handles = __esm({
  "src/runtime/engine/handles.ts"() {
    "use strict";
    init_error();
    Handle = class _Handle {
      keeper;
      #shared;
      #freed = false;
      constructor(keeper, shared) {
        this.keeper = keeper;
        this.#shared = shared;
      }
      static to(keeper, kept) {
        return new _Handle(keeper, { kept, holders: 1 });
      }
      get requests() {
        return this.keeper.requestsOf(this.#shared.kept);
      }
      get bytes() {
        return this.keeper.bytesOf(this.#shared.kept);
      }
      get live() {
        return !this.#freed && this.keeper.live;
      }
      /** What it stands for. Throws RMX0709 if it was freed, RMX0804 if the device is gone. */
      get kept() {
        this.#check();
        return this.#shared.kept;
      }
      retain() {
        this.#check();
        this.#shared.holders++;
        return new _Handle(this.keeper, this.#shared);
      }
      async serialize() {
        const held = this.retain();
        try {
          return await this.keeper.serialize(held.kept);
        } finally {
          held.free();
        }
      }
      free() {
        if (this.#freed) return;
        this.#freed = true;
        this.#shared.holders--;
        if (this.#shared.holders === 0) this.keeper.release(this.#shared.kept);
      }
      #check() {
        if (this.#freed) throw invalid("it was freed");
        this.keeper.check();
      }
    };
  }
});

// src/ir/plan.ts
function isScore(output) {
  return !output.task.includes("#");
}
var CALL_WORDS;
var init_plan = __esm({
  "src/ir/plan.ts"() {
    "use strict";
    CALL_WORDS = 4;
  }
});

// src/runtime/engine/flights.ts
var Flights;
var init_flights = __esm({
  "src/runtime/engine/flights.ts"() {
    "use strict";
    Flights = class {
      #free;
      #inUse = /* @__PURE__ */ new Set();
      #waiting = [];
      constructor(flights) {
        this.#free = flights.toReversed();
      }
      get inUse() {
        return this.#inUse;
      }
      /** Runs `run` with a flight of its own. What it does before its first `await` happens in the order of the calls. */
      async run(run2) {
        const flight = await this.#take();
        try {
          return await run2(flight);
        } finally {
          this.#give(flight);
        }
      }
      #take() {
        const flight = this.#free.pop();
        if (flight === void 0) return new Promise((resolve) => this.#waiting.push(resolve));
        this.#inUse.add(flight);
        return Promise.resolve(flight);
      }
      #give(flight) {
        const next = this.#waiting.shift();
        if (next !== void 0) {
          next(flight);
          return;
        }
        this.#inUse.delete(flight);
        this.#free.push(flight);
      }
    };
  }
});

// src/runtime/wait.ts
function nap(ms) {
  try {
    Atomics.wait(cell, 0, 0, ms);
    return true;
  } catch {
    return false;
  }
}
function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}
var LONGEST_NAP_MS, SHORTEST_NAP_MS, NAP_OF_ELAPSED, ASLEEP_OF_PREDICTED, cell, Waiter;
var init_wait = __esm({
  "src/runtime/wait.ts"() {
    "use strict";
    LONGEST_NAP_MS = 10;
    SHORTEST_NAP_MS = 0.02;
    NAP_OF_ELAPSED = 1 / 40;
    ASLEEP_OF_PREDICTED = 0.9;
    cell = new Int32Array(new SharedArrayBuffer(4));
    Waiter = class {
      #asleep;
      #watching = false;
      #pending = /* @__PURE__ */ new Set();
      #predicted = /* @__PURE__ */ new Map();
      /** `asleep`: the device shares this processor. Otherwise `wait` is a plain await. */
      constructor(asleep) {
        this.#asleep = asleep && typeof setImmediate === "function";
      }
      /** The promise's result; `kind` names work that takes about the same time every time. */
      async wait(kind, promise) {
        if (!this.#asleep) return promise;
        const begin = performance.now();
        const pending = { begin, wake: begin + (this.#predicted.get(kind) ?? 0) * ASLEEP_OF_PREDICTED };
        const settled = () => {
          this.#pending.delete(pending);
        };
        this.#pending.add(pending);
        promise.then(settled, settled);
        if (!this.#watching) this.#watch();
        const result = await promise;
        this.#learn(kind, performance.now() - begin);
        return result;
      }
      /** Naps while anything is pending, each nap as short as the most urgent one asks for. */
      async #watch() {
        this.#watching = true;
        await turn();
        while (this.#pending.size > 0) {
          const now = performance.now();
          let wanted = LONGEST_NAP_MS;
          for (const { begin, wake } of this.#pending) {
            const polling = Math.max(SHORTEST_NAP_MS, (now - begin) * NAP_OF_ELAPSED);
            wanted = Math.min(wanted, now < wake ? wake - now : polling);
          }
          this.#asleep = nap(wanted);
          if (!this.#asleep) break;
          await turn();
        }
        this.#watching = false;
      }
      /** Falls at once and rises slowly: sleeping too long costs time, waking too early only a few polls. */
      #learn(kind, ms) {
        const before = this.#predicted.get(kind);
        this.#predicted.set(kind, before === void 0 || ms < before ? ms : before + (ms - before) / 8);
      }
    };
  }
});

// src/runtime/engine/health.ts
var REASON_MS, Health;
var init_health = __esm({
  "src/runtime/engine/health.ts"() {
    "use strict";
    init_error();
    init_wait();
    REASON_MS = 50;
    Health = class {
      #gpu;
      #waiter;
      #inFlight;
      /** Reported while no call was there to blame; the next one is told. */
      #stray = [];
      #lost;
      #closed;
      #onError = (event) => {
        const message = event.error.message.trim();
        const watched = [...this.#inFlight()];
        for (const { errors } of watched) errors.push(message);
        if (watched.length === 0) this.#stray.push(message);
      };
      /** `asleep`: see `Waiter`. */
      constructor(gpu2, asleep, inFlight) {
        this.#gpu = gpu2;
        this.#waiter = new Waiter(asleep);
        this.#inFlight = inFlight;
        gpu2.addEventListener("uncapturederror", this.#onError);
        const self = new WeakRef(this);
        gpu2.lost.then((lost) => self.deref()?.lose(lost.message || lost.reason));
      }
      get live() {
        return this.#lost === void 0 && this.#closed === void 0;
      }
      lose(reason) {
        this.#lost ??= reason;
      }
      /** From now on every check fails with `reason`. */
      close(reason) {
        if (this.#closed !== void 0) return;
        this.#closed = reason;
        this.#gpu.removeEventListener("uncapturederror", this.#onError);
      }
      /** The promise's result, or the error that the device reported in the meantime. */
      async wait(call3, kind, promise) {
        try {
          const result = await this.#waiter.wait(kind, promise);
          this.checkCall(call3);
          return result;
        } catch (error) {
          if (error instanceof InputError) throw error;
          await new Promise((resolve) => setTimeout(resolve, REASON_MS));
          this.checkCall(call3);
          throw new InputError("RMX0807", "the device reported an error", { notes: [error.message] });
        }
      }
      /** Throws RMX0804 if the device or the engine is gone. */
      check() {
        if (this.#lost !== void 0) {
          throw new InputError("RMX0804", "the device was lost", {
            notes: [this.#lost],
            help: "`engine.restore()` loads the model onto another device"
          });
        }
        if (this.#closed !== void 0) throw new InputError("RMX0804", this.#closed);
      }
      /** As `check`, and throws RMX0807 if the device reported an error that may be this call's. */
      checkCall(call3) {
        this.check();
        const notes = [...this.#stray.splice(0), ...call3.errors.splice(0)];
        if (notes.length > 0) throw new InputError("RMX0807", "the device reported an error", { notes });
      }
    };
  }
});

// src/runtime/engine/layout.ts
function product3(extents) {
  return extents.reduce((all, extent2) => all * extent2, 1);
}
function isBatched(value2) {
  return typeof value2.shape[0] === "string";
}
function layoutOf(value2) {
  const [lead, ...rest2] = value2.shape;
  const inner = rest2.map(fixed);
  const innerStrides = value2.strides.slice(1);
  if (typeof lead === "string") return make(inner, innerStrides, void 0, value2.unit);
  const step = value2.strides[0] ?? 0;
  const outermost = lead !== void 0 && innerStrides.every((stride, i) => stride * (inner[i] ?? 1) <= step);
  if (outermost) return make(inner, innerStrides, lead, step);
  return make(value2.shape.map(fixed), value2.strides, 1, value2.unit);
}
function make(inner, strides, rows, unit) {
  const compactUnit = product3(inner);
  let expected = 1;
  let compact = unit === compactUnit;
  for (let i = inner.length - 1; i >= 0; i--) {
    if (strides[i] !== expected && inner[i] !== 1) compact = false;
    expected *= inner[i] ?? 1;
  }
  return { inner, strides, rows, compactUnit, unit, compact };
}
function fixed(extent2) {
  if (typeof extent2 !== "number") throw new Error(`internal: batch axis ${extent2} is not the leading axis`);
  return extent2;
}
function newWords(element, count2) {
  return element === "f32" ? new Float32Array(count2) : element === "i32" ? new Int32Array(count2) : new Uint32Array(count2);
}
function newValues(element, count2) {
  return element === "f32" ? new Float32Array(count2) : new Int32Array(count2);
}
function packRows(layout2, from, first2, rows, into) {
  if (layout2.compact && ArrayBuffer.isView(from)) {
    into.set(from.subarray(first2 * layout2.unit, (first2 + rows) * layout2.unit));
    return;
  }
  for (let row = 0; row < rows; row++) {
    eachRun(layout2, (outside, inside, length2) => {
      const source = (first2 + row) * layout2.compactUnit + outside;
      const target = row * layout2.unit + inside;
      for (let i = 0; i < length2; i++) into[target + i] = from[source + i] ?? 0;
    });
  }
}
function unpackRows(layout2, from, rows, into, first2 = 0) {
  if (layout2.compact) {
    into.set(from.subarray(0, rows * layout2.unit), first2 * layout2.unit);
    return;
  }
  for (let row = 0; row < rows; row++) {
    eachRun(layout2, (outside, inside, length2) => {
      const source = row * layout2.unit + inside;
      const target = (first2 + row) * layout2.compactUnit + outside;
      for (let i = 0; i < length2; i++) into[target + i] = from[source + i] ?? 0;
    });
  }
}
function eachRun(layout2, visit) {
  const { inner, strides } = layout2;
  const last2 = inner.length - 1;
  const contiguous = last2 >= 0 && strides[last2] === 1;
  const depth = contiguous ? last2 : inner.length;
  const length2 = contiguous ? inner[last2] ?? 1 : 1;
  let outside = 0;
  const go = (axis2, inside) => {
    if (axis2 === depth) {
      visit(outside, inside, length2);
      outside += length2;
      return;
    }
    const extent2 = inner[axis2] ?? 1;
    const stride = strides[axis2] ?? 0;
    for (let i = 0; i < extent2; i++) go(axis2 + 1, inside + i * stride);
  };
  go(0, 0);
}
var BYTES;
var init_layout2 = __esm({
  "src/runtime/engine/layout.ts"() {
    "use strict";
    BYTES = 4;
  }
});

// src/runtime/engine/inspect.ts
function placeOf(value2, { params, whole, slabs, slots, programs }) {
  const { unit, rows = 1 } = layoutOf(value2);
  const parts = params.get(value2.id);
  if (parts !== void 0) {
    return {
      pieces: parts.map(({ from, to, buffer: buffer2 }) => ({ buffer: buffer2, at: 0, count: (to - from) * unit })),
      rows
    };
  }
  if (value2.home.kind === "kept") return { pieces: slabs.pieces(value2, slots), rows: slots.length };
  const buffer = whole.get(value2.id);
  if (buffer !== void 0) return { pieces: [{ buffer, at: 0, count: rows * unit }], rows };
  for (const program of programs) {
    const own2 = program.buffer(value2);
    if (own2 === void 0) continue;
    const count2 = isBatched(value2) ? program.rows : rows;
    return { pieces: [{ buffer: own2, at: 0, count: count2 * unit }], rows: count2 };
  }
  throw new Error(`internal: ${value2.name} is on no buffer`);
}
function poisonLoad(plan, program, whole, memory) {
  program.poison();
  for (const value2 of plan.values) {
    const buffer = value2.home.kind === "load" ? whole.get(value2.id) : void 0;
    if (buffer !== void 0) memory.fillNaN(buffer, 0, value2.unit);
  }
}
function poisonUser(program, slabs, slots, memory) {
  program.poison();
  for (const value2 of slabs.values) {
    for (const { buffer, at: at2, count: count2 } of slabs.pieces(value2, slots)) memory.fillNaN(buffer, at2, count2);
  }
}
var init_inspect = __esm({
  "src/runtime/engine/inspect.ts"() {
    "use strict";
    init_layout2();
  }
});

// src/runtime/engine/memory.ts
function capacityFor(count2) {
  let power = 1;
  while (power < count2) power *= 2;
  const between = power / 4 * 3;
  return power >= 4 && between >= count2 ? between : power;
}
var CHUNK_BYTES, Memory;
var init_memory = __esm({
  "src/runtime/engine/memory.ts"() {
    "use strict";
    init_error();
    init_layout2();
    CHUNK_BYTES = 16 * 1024 * 1024;
    Memory = class {
      gpu;
      limits;
      #counters;
      #live = /* @__PURE__ */ new Set();
      #bytes = 0;
      #scratch = new ArrayBuffer(4096);
      #poison;
      constructor(gpu2, limits, counters) {
        this.gpu = gpu2;
        this.limits = limits;
        this.#counters = counters;
      }
      /** Bytes that one storage binding can reach. */
      get largestBinding() {
        return Math.min(this.limits.storageBinding, this.limits.bufferSize);
      }
      /** A buffer of at least `bytes`. Throws RMX0805 where no buffer is that large. */
      create(label, bytes, usage) {
        const size = Math.max(16, Math.ceil(bytes / 16) * 16);
        if (bytes > this.limits.bufferSize) {
          throw new InputError("RMX0805", `\`${label}\` does not fit a buffer of the device`, {
            notes: [`it takes ${bytes} bytes, the largest buffer has ${this.limits.bufferSize}`]
          });
        }
        const buffer = this.gpu.createBuffer({
          label,
          size: Math.min(size, this.gpu.limits.maxBufferSize),
          usage
        });
        this.#counters.buffersCreated++;
        this.#live.add(buffer);
        this.#bytes += buffer.size;
        return buffer;
      }
      /** A storage buffer that can be written, copied from and copied to. */
      storage(label, bytes) {
        return this.create(
          label,
          bytes,
          GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC
        );
      }
      /** Commands that were submitted may still use the buffer; it is gone after them. */
      /** A storage buffer that kernels write the arguments of dispatches to. */
      arguments(label, bytes) {
        return this.create(
          label,
          bytes,
          GPUBufferUsage.STORAGE | GPUBufferUsage.INDIRECT | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC
        );
      }
      free(buffer) {
        if (!this.#live.delete(buffer)) return;
        this.#bytes -= buffer.size;
        buffer.destroy();
      }
      freeAll() {
        for (const buffer of this.#live) this.free(buffer);
      }
      /** Buffers that are there now, and their bytes. */
      get held() {
        return { buffers: this.#live.size, bytes: this.#bytes };
      }
      /** Memory of the host for one write, which copies it; kept, so that a steady call allocates none. */
      scratch(bytes) {
        if (this.#scratch.byteLength < bytes) this.#scratch = new ArrayBuffer(capacityFor(bytes));
        return this.#scratch;
      }
      write(buffer, wordOffset, words, count2 = words.length) {
        if (count2 === 0) return;
        this.gpu.queue.writeBuffer(
          buffer,
          wordOffset * BYTES,
          words.buffer,
          words.byteOffset,
          count2 * BYTES
        );
      }
      /** Fills words [from, from + count) with a NaN. */
      fillNaN(buffer, from, count2) {
        this.#poison ??= new Uint32Array(65536).fill(2143289344);
        for (let done = 0; done < count2; done += this.#poison.length) {
          this.write(buffer, from + done, this.#poison, Math.min(this.#poison.length, count2 - done));
        }
      }
    };
  }
});

// src/runtime/engine/params.ts
function uploadParams(plan, memory, weights, onProgress) {
  const values = plan.values.filter((value2) => value2.home.kind === "param");
  const total = values.reduce((sum, value2) => sum + elements4(layoutOf(value2)), 0);
  let done = 0;
  const uploaded = /* @__PURE__ */ new Map();
  onProgress(0, total);
  for (const value2 of values) {
    const parts = createParts(plan, value2, memory);
    uploaded.set(value2.id, parts);
    for (const part of parts) {
      uploadPart(value2, part, memory, weights, (count2) => {
        done += count2;
        onProgress(done, total);
      });
    }
  }
  return uploaded;
}
function elements4(layout2) {
  return (layout2.rows ?? 1) * layout2.compactUnit;
}
function createParts(plan, value2, memory) {
  const layout2 = layoutOf(value2);
  const rows = layout2.rows ?? 1;
  const bytes = (from, to) => (to - from) * layout2.unit * BYTES;
  if (bytes(0, rows) <= memory.limits.bufferSize) {
    return [{ from: 0, to: rows, buffer: memory.storage(value2.name, bytes(0, rows)) }];
  }
  const ranges = slicesOf(plan, value2.id);
  if (ranges.length === 0) return [{ from: 0, to: rows, buffer: memory.storage(value2.name, bytes(0, rows)) }];
  return ranges.map(({ from, to }) => ({ from, to, buffer: memory.storage(value2.name, bytes(from, to)) }));
}
function slicesOf(plan, id) {
  const kernels = [...plan.kernels.load, ...plan.kernels.user, ...plan.kernels.item];
  return kernels.find((kernel) => kernel.slicing?.values.includes(id))?.slicing?.ranges ?? [];
}
function uploadPart(value2, part, memory, weights, onRows) {
  const { home } = value2;
  if (home.kind !== "param") throw new Error(`internal: ${value2.name} is no parameter`);
  const layout2 = layoutOf(value2);
  const step = Math.max(1, Math.floor(CHUNK_BYTES / (layout2.unit * BYTES)));
  const staging = layout2.compact ? void 0 : new Float32Array(Math.min(step, part.to - part.from) * layout2.unit);
  for (let row = part.from; row < part.to; row += step) {
    const rows = Math.min(step, part.to - row);
    const count2 = rows * layout2.compactUnit;
    const from = weights.read(home.path, row * layout2.compactUnit, count2);
    const at2 = (row - part.from) * layout2.unit;
    if (staging === void 0) memory.write(part.buffer, at2, from);
    else {
      packRows(layout2, from, 0, rows, staging);
      memory.write(part.buffer, at2, staging, rows * layout2.unit);
    }
    onRows(count2);
  }
}
function uploadConstants(plan, memory) {
  const uploaded = /* @__PURE__ */ new Map();
  for (const value2 of plan.values) {
    if (value2.home.kind !== "constant") continue;
    const layout2 = layoutOf(value2);
    const rows = layout2.rows ?? 1;
    const words = newWords(value2.element, rows * layout2.unit);
    packRows(layout2, value2.home.values, 0, rows, words);
    const buffer = memory.storage(value2.name, words.byteLength);
    memory.write(buffer, 0, words);
    uploaded.set(value2.id, buffer);
  }
  return uploaded;
}
var init_params = __esm({
  "src/runtime/engine/params.ts"() {
    "use strict";
    init_layout2();
    init_memory();
  }
});

// src/runtime/engine/pipelines.ts
async function createPipelines(gpu2, kernels, counters, onProgress) {
  let done = 0;
  onProgress(0, kernels.length);
  const layouts = /* @__PURE__ */ new Map();
  const created = await Promise.all(
    kernels.map(async (text) => {
      const layout2 = bindGroupLayout(gpu2, text, layouts);
      const pipeline = await createPipeline(gpu2, text, layout2);
      counters.pipelinesCreated++;
      onProgress(++done, kernels.length);
      return [text.name, { text, pipeline, layout: layout2 }];
    })
  );
  return new Map(created);
}
function bindGroupLayout(gpu2, text, known) {
  const key = text.bindings.map((binding) => binding.access).join();
  const found = known.get(key);
  if (found !== void 0) return found;
  const visibility = GPUShaderStage.COMPUTE;
  const layout2 = gpu2.createBindGroupLayout({
    label: key,
    entries: [
      { binding: 0, visibility, buffer: { type: "uniform" } },
      ...text.bindings.map(({ access }, i) => ({
        binding: i + 1,
        visibility,
        buffer: { type: access === "read" ? "read-only-storage" : "storage" }
      }))
    ]
  });
  known.set(key, layout2);
  return layout2;
}
async function createPipeline(gpu2, text, layout2) {
  if (text.language !== "wgsl") throw new Error(`internal: ${text.name} is ${text.language}, not wgsl`);
  gpu2.pushErrorScope("validation");
  const module = gpu2.createShaderModule({ label: text.name, code: text.text });
  const pipeline = gpu2.createComputePipelineAsync({
    label: text.name,
    layout: gpu2.createPipelineLayout({ bindGroupLayouts: [layout2] }),
    compute: { module, entryPoint: "main" }
  });
  const moduleError = gpu2.popErrorScope();
  const [result, error] = await Promise.allSettled([pipeline, moduleError]);
  if (result.status === "fulfilled") return result.value;
  const notes = await compilationNotes(module, text);
  if (notes.length === 0) {
    const reason = error.status === "fulfilled" && error.value ? error.value : result.reason;
    notes.push(
      reason instanceof Error ? reason.message : String(reason.message ?? reason)
    );
  }
  throw new InputError("RMX0803", `the device does not accept the kernel \`${text.name}\``, {
    notes,
    help: "this is a fault of rmxc or of the driver; `--device reference` runs without kernels"
  });
}
async function compilationNotes(module, text) {
  const { messages } = await module.getCompilationInfo();
  const lines = text.text.split("\n");
  return messages.filter((message) => message.type === "error").map(({ lineNum, linePos, message }) => {
    const source = lines[lineNum - 1]?.trim() ?? "";
    return `${text.name}.wgsl:${lineNum}:${linePos}: ${message}${source === "" ? "" : `
    ${source}`}`;
  });
}
var init_pipelines = __esm({
  "src/runtime/engine/pipelines.ts"() {
    "use strict";
    init_error();
  }
});

// src/runtime/engine/readback.ts
async function readWords(memory, element, pieces2, wait) {
  const total = pieces2.reduce((sum, piece2) => sum + piece2.count, 0);
  const words = newWords(element, total);
  if (total === 0) return words;
  const staging = memory.create("read", total * BYTES, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  const encoder = memory.gpu.createCommandEncoder({ label: "read" });
  let at2 = 0;
  for (const { buffer, at: from, count: count2 } of pieces2) {
    encoder.copyBufferToBuffer(buffer, from * BYTES, staging, at2 * BYTES, count2 * BYTES);
    at2 += count2;
  }
  memory.gpu.queue.submit([encoder.finish()]);
  try {
    await wait(`read ${total}`, staging.mapAsync(GPUMapMode.READ));
    const mapped3 = staging.getMappedRange();
    words.set(element === "f32" ? new Float32Array(mapped3, 0, total) : new Int32Array(mapped3, 0, total));
  } finally {
    memory.free(staging);
  }
  return words;
}
var OutputReader;
var init_readback = __esm({
  "src/runtime/engine/readback.ts"() {
    "use strict";
    init_layout2();
    OutputReader = class {
      #memory;
      #outputs;
      #buffer;
      #capacity = 0;
      constructor(memory, outputs) {
        this.#memory = memory;
        this.#outputs = outputs;
      }
      /** Encodes the copies of `rows` rows of every output. */
      copy(encoder, bufferOf, rows, capacity) {
        if (this.#buffer === void 0 || this.#capacity < capacity) {
          if (this.#buffer !== void 0) this.#memory.free(this.#buffer);
          const words = this.#outputs.reduce((sum, value2) => sum + value2.unit * capacity, 0);
          const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
          this.#buffer = this.#memory.create("scores", words * BYTES, usage);
          this.#capacity = capacity;
        }
        let at2 = 0;
        for (const value2 of this.#outputs) {
          const from = bufferOf(value2);
          if (from === void 0) throw new Error(`internal: no buffer for ${value2.name}`);
          encoder.copyBufferToBuffer(from, 0, this.#buffer, at2, rows * value2.unit * BYTES);
          at2 += rows * value2.unit * BYTES;
        }
      }
      /** Waits for the copies and puts output i into `into[i]` from row `first` on. */
      async read(rows, into, first2, wait) {
        const buffer = this.#buffer;
        if (buffer === void 0) throw new Error("internal: nothing was copied");
        await wait(`item ${this.#capacity}`, buffer.mapAsync(GPUMapMode.READ));
        const words = new Float32Array(buffer.getMappedRange());
        let at2 = 0;
        this.#outputs.forEach((value2, i) => {
          const target = into[i];
          if (target === void 0) throw new Error(`internal: no array for ${value2.name}`);
          unpackRows(layoutOf(value2), words.subarray(at2, at2 + rows * value2.unit), rows, target, first2);
          at2 += rows * value2.unit;
        });
        buffer.unmap();
      }
    };
  }
});

// src/runtime/dtypes.ts
function floats(bytes, get) {
  return {
    bytes,
    toFloats: (from, out) => {
      for (let i = 0; i < out.length; i++) out[i] = get(from, i * bytes);
    }
  };
}
function integers2(bytes, get) {
  return {
    ...floats(bytes, get),
    toInts: (from, out) => {
      for (let i = 0; i < out.length; i++) out[i] = get(from, i * bytes);
    }
  };
}
function halfToNumber(bits) {
  const sign = bits & 32768 ? -1 : 1;
  const exponent = bits >> 10 & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
function bfloatToNumber(bits) {
  word2[0] = bits << 16;
  return single[0] ?? 0;
}
function isDTypeName(name2) {
  return typeof name2 === "string" && Object.hasOwn(dtypes, name2);
}
var word2, single, I32_MIN, I32_MAX, dtypes;
var init_dtypes = __esm({
  "src/runtime/dtypes.ts"() {
    "use strict";
    word2 = new Uint32Array(1);
    single = new Float32Array(word2.buffer);
    I32_MIN = -(2n ** 31n);
    I32_MAX = 2n ** 31n - 1n;
    dtypes = {
      F64: floats(8, (view2, at2) => view2.getFloat64(at2, true)),
      F32: floats(4, (view2, at2) => view2.getFloat32(at2, true)),
      F16: floats(2, (view2, at2) => halfToNumber(view2.getUint16(at2, true))),
      BF16: floats(2, (view2, at2) => bfloatToNumber(view2.getUint16(at2, true))),
      I64: {
        ...floats(8, (view2, at2) => Number(view2.getBigInt64(at2, true))),
        toInts: (from, out, bad) => {
          for (let i = 0; i < out.length; i++) {
            const value2 = from.getBigInt64(i * 8, true);
            if (value2 < I32_MIN || value2 > I32_MAX) bad(i, value2);
            out[i] = Number(value2);
          }
        }
      },
      I32: integers2(4, (view2, at2) => view2.getInt32(at2, true)),
      U8: integers2(1, (view2, at2) => view2.getUint8(at2)),
      I8: integers2(1, (view2, at2) => view2.getInt8(at2))
    };
  }
});

// src/runtime/jsonkeys.ts
function topLevelKeys(text) {
  const keys = [];
  let depth = 0;
  for (let at2 = 0; at2 < text.length; at2++) {
    const c = text[at2];
    if (c === "{" || c === "[") depth++;
    else if (c === "}" || c === "]") depth--;
    else if (c === '"') {
      const begin = at2;
      for (at2++; text[at2] !== '"'; at2++) if (text[at2] === "\\") at2++;
      if (depth === 1 && colonFollows(text, at2 + 1)) keys.push(JSON.parse(text.slice(begin, at2 + 1)));
    }
  }
  return keys;
}
function colonFollows(text, from) {
  let at2 = from;
  while (text[at2] === " " || text[at2] === "\n" || text[at2] === "\r" || text[at2] === "	") at2++;
  return text[at2] === ":";
}
var init_jsonkeys = __esm({
  "src/runtime/jsonkeys.ts"() {
    "use strict";
  }
});

// src/runtime/safetensorsheader.ts
function readHeader(source, malformed) {
  const { size } = source;
  const lengthBytes = new Uint8Array(LENGTH_BYTES);
  if (size < LENGTH_BYTES || !source.read(lengthBytes, 0)) {
    throw malformed(`it has ${size} bytes; the header's length alone takes ${LENGTH_BYTES}`);
  }
  const claimed = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  if (claimed > MAX_HEADER_BYTES) {
    throw malformed(`its header claims ${claimed} bytes; the limit is ${MAX_HEADER_BYTES}`);
  }
  const length2 = Number(claimed);
  if (LENGTH_BYTES + length2 > size) {
    throw malformed(
      `it is truncated: its header claims ${length2} bytes, the file has ${size - LENGTH_BYTES} after the length`
    );
  }
  const bytes = new Uint8Array(length2);
  source.read(bytes, LENGTH_BYTES);
  let text;
  let json;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (error) {
    throw malformed(`its header is not JSON: ${error.message}`);
  }
  if (!isObject(json)) throw malformed("its header is not a JSON object");
  const seen = /* @__PURE__ */ new Set();
  for (const key of topLevelKeys(text)) {
    if (seen.has(key)) throw malformed(`\`${key}\` appears twice in its header`);
    seen.add(key);
  }
  const dataStart = LENGTH_BYTES + length2;
  const tensors = /* @__PURE__ */ new Map();
  const spans = [];
  let metadata = {};
  for (const [name2, entry2] of Object.entries(json)) {
    if (name2 === "__metadata__") {
      if (!isObject(entry2) || !Object.values(entry2).every((value2) => typeof value2 === "string")) {
        throw malformed("`__metadata__` is not an object of strings");
      }
      metadata = entry2;
      continue;
    }
    const { info, begin, end } = readEntry(name2, entry2, dataStart, malformed);
    if (dataStart + end > size) {
      throw malformed(`it is truncated: \`${name2}\` ends at byte ${dataStart + end}, the file at ${size}`);
    }
    tensors.set(name2, info);
    if (end > begin) spans.push({ name: name2, begin, end });
  }
  spans.sort((a, b) => a.begin - b.begin);
  let at2 = 0;
  let before = "the header";
  for (const { name: name2, begin, end } of spans) {
    if (begin < at2) throw malformed(`\`${name2}\` overlaps \`${before}\``);
    if (begin > at2)
      throw malformed(`${begin - at2} bytes between ${before} and \`${name2}\` belong to no tensor`);
    at2 = end;
    before = name2;
  }
  if (dataStart + at2 !== size)
    throw malformed(`${size - dataStart - at2} bytes at its end belong to no tensor`);
  return { tensors, metadata };
}
function readEntry(name2, entry2, dataStart, malformed) {
  if (!isObject(entry2)) throw malformed(`\`${name2}\` is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = entry2;
  if (!isDTypeName(dtype)) {
    const supported = Object.keys(dtypes).join(", ");
    throw malformed(`\`${name2}\` has the element type ${JSON.stringify(dtype)}; supported are ${supported}`);
  }
  if (!isSizes(shape))
    throw malformed(`\`${name2}\` has the shape ${JSON.stringify(shape)}, not a list of sizes`);
  const count2 = shape.reduce((product4, extent2) => product4 * extent2, 1);
  if (count2 > MAX_ELEMENTS) throw malformed(`\`${name2}\` claims ${count2} elements`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw malformed(`\`${name2}\` has the data_offsets ${JSON.stringify(offsets)}, not [begin, end]`);
  }
  const [begin = 0, end = 0] = offsets;
  const wanted = count2 * dtypes[dtype].bytes;
  if (end - begin !== wanted) {
    throw malformed(
      `\`${name2}\` takes ${end - begin} bytes, but ${dtype} [${shape.join(", ")}] takes ${wanted}`
    );
  }
  return { info: { name: name2, dtype, shape, count: count2, offset: dataStart + begin }, begin, end };
}
function isObject(value2) {
  return typeof value2 === "object" && value2 !== null && !Array.isArray(value2);
}
function isSizes(value2) {
  return Array.isArray(value2) && value2.every((v) => typeof v === "number" && Number.isSafeInteger(v) && v >= 0);
}
function headerBytes(tensors, metadata) {
  const header = metadata === void 0 ? {} : { __metadata__: metadata };
  let end = 0;
  for (const [name2, { shape, data: data2 }] of tensors) {
    if (shape.reduce((product4, extent2) => product4 * extent2, 1) !== data2.length) {
      throw new Error(`internal: ${name2} has ${data2.length} elements for the shape [${shape.join(", ")}]`);
    }
    const begin = end;
    end += data2.byteLength;
    header[name2] = { dtype: dtypeOf(data2), shape, data_offsets: [begin, end] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(LENGTH_BYTES + Math.ceil(text.length / 8) * 8).fill(32);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - LENGTH_BYTES), true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}
function dtypeOf(data2) {
  if (data2 instanceof Float64Array) return "F64";
  if (data2 instanceof Float32Array) return "F32";
  if (data2 instanceof Int32Array) return "I32";
  if (data2 instanceof BigInt64Array) return "I64";
  return data2 instanceof Int8Array ? "I8" : "U8";
}
var LENGTH_BYTES, MAX_HEADER_BYTES, MAX_ELEMENTS;
var init_safetensorsheader = __esm({
  "src/runtime/safetensorsheader.ts"() {
    "use strict";
    init_dtypes();
    init_jsonkeys();
    LENGTH_BYTES = 8;
    MAX_HEADER_BYTES = 1e8;
    MAX_ELEMENTS = 2 ** 48;
  }
});

// src/runtime/engine/serialized.ts
async function planHash(plan, kernels) {
  const { name: name2, params, features, values } = plan;
  const text = {
    name: name2,
    params,
    features,
    values: values.filter(({ home }) => home.kind === "kept" || home.kind === "constant"),
    kernels: kernels.filter(({ stage }) => stage !== "item")
  };
  const json = JSON.stringify(text, (key, value2) => {
    if (key === "origin") return void 0;
    return typeof value2 === "number" && !Number.isFinite(value2) ? String(value2) : value2;
  });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(json));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
function encodeKept(identity, specs, kept) {
  const tensors = /* @__PURE__ */ new Map();
  specs.forEach((spec, i) => {
    const data2 = kept.arrays[i];
    if (data2 === void 0) throw new Error(`internal: no array for ${spec.name}`);
    tensors.set(tensorName(spec, i), { shape: [kept.requests, ...spec.shape], data: data2 });
  });
  const { model, plan, version } = identity;
  const metadata = { format: FORMAT, model, plan, version, requests: String(kept.requests) };
  const header = headerBytes(tensors, metadata);
  const arrays = [...tensors.values()].map(({ data: data2 }) => data2);
  const bytes = new Uint8Array(arrays.reduce((sum, data2) => sum + data2.byteLength, header.length));
  bytes.set(header);
  let at2 = header.length;
  for (const data2 of arrays) {
    bytes.set(new Uint8Array(data2.buffer, data2.byteOffset, data2.byteLength), at2);
    at2 += data2.byteLength;
  }
  return bytes;
}
function decodeKept(identity, specs, bytes) {
  const header = readHeader(
    { size: bytes.length, read: (into, at2) => readFrom(bytes, into, at2) },
    (what) => misfit3([`it is not a well-formed safetensors file: ${what}`])
  );
  const { metadata, tensors } = header;
  if (metadata.format !== FORMAT) {
    throw misfit3([`its format is ${JSON.stringify(metadata.format)}, not ${JSON.stringify(FORMAT)}`]);
  }
  const wrong = ["model", "plan", "version"].flatMap(
    (key) => metadata[key] === identity[key] ? [] : [`${key}: it has ${JSON.stringify(metadata[key])}, the engine ${JSON.stringify(identity[key])}`]
  );
  const requests = Number(metadata.requests);
  if (!Number.isSafeInteger(requests) || requests < 0) {
    wrong.push(`requests: it has ${JSON.stringify(metadata.requests)}, which is no count`);
  }
  wrong.push(...misfits(header, specs, requests));
  if (wrong.length > 0) throw misfit3(wrong);
  const arrays = specs.map((spec, i) => arrayOf(bytes, spec, tensors.get(tensorName(spec, i))));
  return { requests, arrays };
}
function tensorName(spec, i) {
  return `${i}.${spec.name}`;
}
function misfits({ tensors }, specs, requests) {
  const wrong = [];
  const known = new Set(specs.map(tensorName));
  specs.forEach((spec, i) => {
    const name2 = tensorName(spec, i);
    const wanted = `${spec.element.toUpperCase()} [${[requests, ...spec.shape].join(", ")}]`;
    const tensor2 = tensors.get(name2);
    const found = tensor2 && `${tensor2.dtype} [${tensor2.shape.join(", ")}]`;
    if (found !== wanted) wrong.push(`\`${name2}\`: it has ${found ?? "none"}, the engine ${wanted}`);
  });
  for (const name2 of tensors.keys()) {
    if (!known.has(name2)) wrong.push(`\`${name2}\`: the engine keeps no such value`);
  }
  return wrong;
}
function arrayOf(bytes, { element }, tensor2) {
  if (tensor2 === void 0) throw new Error("internal: a tensor that was checked is missing");
  const from = bytes.byteOffset + tensor2.offset;
  const copy = bytes.buffer.slice(from, from + tensor2.count * dtypes[tensor2.dtype].bytes);
  return element === "f32" ? new Float32Array(copy) : new Int32Array(copy);
}
function readFrom(bytes, into, at2) {
  if (at2 + into.length > bytes.length) return false;
  into.set(bytes.subarray(at2, at2 + into.length));
  return true;
}
function misfit3(notes) {
  return new InputError("RMX0812", "a serialised user handle does not fit the engine", {
    notes,
    help: "compute it again with `engine.user`",
    exit: 1
  });
}
var FORMAT;
var init_serialized = __esm({
  "src/runtime/engine/serialized.ts"() {
    "use strict";
    init_error();
    init_dtypes();
    init_safetensorsheader();
    FORMAT = "rmxc.user.1";
  }
});

// src/runtime/engine/slabs.ts
function eachSlotRun(slots, visit) {
  for (let at2 = 0; at2 < slots.length; ) {
    const slot = slots[at2] ?? 0;
    let length2 = 1;
    while (slots[at2 + length2] === slot + length2) length2++;
    visit(at2, slot, length2);
    at2 += length2;
  }
}
var Slabs;
var init_slabs = __esm({
  "src/runtime/engine/slabs.ts"() {
    "use strict";
    init_error();
    init_layout2();
    init_memory();
    init_readback();
    Slabs = class {
      /** The kept values of the plan. */
      values;
      #memory;
      #buffers = /* @__PURE__ */ new Map();
      /** Free slots, the next one last. */
      #free = [];
      #capacity = 0;
      #most;
      constructor(plan, memory) {
        this.#memory = memory;
        this.values = plan.values.filter((value2) => value2.home.kind === "kept");
        const largest = Math.max(1, ...this.values.map((value2) => value2.unit));
        this.#most = Math.floor(memory.largestBinding / (largest * BYTES));
        this.#resize(Math.min(this.#most, capacityFor(Math.max(1, plan.serve.requests))));
      }
      get capacity() {
        return this.#capacity;
      }
      /** Slots in use. */
      get used() {
        return this.#capacity - this.#free.length;
      }
      /** Bytes that one request keeps. */
      get slotBytes() {
        return this.values.reduce((sum, value2) => sum + value2.unit * BYTES, 0);
      }
      buffer(value2) {
        return this.#buffers.get(value2);
      }
      /** True if the slabs had to grow, which replaces their buffers. Throws RMX0808 where they cannot. */
      reserve(count2) {
        const needed = this.used + count2;
        if (needed <= this.#capacity) return false;
        if (needed > this.#most) {
          throw new InputError("RMX0808", "too many requests are kept on the device", {
            notes: [`${needed} would be kept; the device has room for ${this.#most}`],
            help: "free the handles of requests that are done"
          });
        }
        this.#resize(Math.min(this.#most, capacityFor(needed)));
        return true;
      }
      allocate(count2) {
        const slots = [];
        for (let i = 0; i < count2; i++) {
          const slot = this.#free.pop();
          if (slot === void 0) throw new Error("internal: slots were not reserved");
          slots.push(slot);
        }
        return slots;
      }
      free(slots) {
        this.#free.push(...slots.toReversed());
      }
      /** Where slots' rows of a value lie, one after another. */
      pieces(value2, slots) {
        const buffer = this.#buffers.get(value2.id);
        if (buffer === void 0) throw new Error(`internal: ${value2.name} has no slab`);
        const pieces2 = [];
        eachSlotRun(slots, (_, slot, length2) => {
          pieces2.push({ buffer, at: slot * value2.unit, count: length2 * value2.unit });
        });
        return pieces2;
      }
      /** What the slots hold, an array a value, compact. */
      read(slots, wait) {
        return Promise.all(
          this.values.map(async (value2) => {
            const words = await readWords(this.#memory, value2.element, this.pieces(value2, slots), wait);
            const layout2 = layoutOf(value2);
            const data2 = newValues(value2.element, slots.length * layout2.compactUnit);
            unpackRows(layout2, words, slots.length, data2);
            return data2;
          })
        );
      }
      /** The opposite of `read`. */
      write(slots, arrays) {
        this.values.forEach((value2, i) => {
          const layout2 = layoutOf(value2);
          const words = newValues(value2.element, slots.length * layout2.unit);
          packRows(layout2, arrays[i] ?? [], 0, slots.length, words);
          let done = 0;
          for (const { buffer, at: at2, count: count2 } of this.pieces(value2, slots)) {
            this.#memory.write(buffer, at2, words.subarray(done, done + count2));
            done += count2;
          }
        });
      }
      #resize(capacity) {
        const { gpu: gpu2 } = this.#memory;
        const encoder = gpu2.createCommandEncoder({ label: "grow slabs" });
        const old = [];
        for (const value2 of this.values) {
          const grown = this.#memory.storage(value2.name, capacity * value2.unit * BYTES);
          const before = this.#buffers.get(value2.id);
          if (before !== void 0) {
            encoder.copyBufferToBuffer(before, 0, grown, 0, this.#capacity * value2.unit * BYTES);
            old.push(before);
          }
          this.#buffers.set(value2.id, grown);
        }
        if (old.length > 0) gpu2.queue.submit([encoder.finish()]);
        for (const buffer of old) this.#memory.free(buffer);
        const added = Array.from({ length: capacity - this.#capacity }, (_, i) => capacity - 1 - i);
        this.#free = [...added, ...this.#free];
        this.#capacity = capacity;
      }
    };
  }
});

// src/runtime/engine/stage.ts
function bindPart(value2, parts, range2) {
  const [only] = parts;
  if (range2 === void 0) {
    if (only === void 0 || parts.length > 1)
      throw new Error(`internal: ${value2.name} must be bound in slices`);
    return { buffer: only.buffer };
  }
  const part = parts.find(({ from, to }) => from <= range2.from && range2.to <= to);
  if (part === void 0)
    throw new Error(`internal: no buffer holds rows ${range2.from} to ${range2.to} of ${value2.name}`);
  const bytes = layoutOf(value2).unit * BYTES;
  return {
    buffer: part.buffer,
    offset: (range2.from - part.from) * bytes,
    size: (range2.to - range2.from) * bytes
  };
}
var StageProgram;
var init_stage2 = __esm({
  "src/runtime/engine/stage.ts"() {
    "use strict";
    init_plan();
    init_tile();
    init_layout2();
    init_memory();
    StageProgram = class {
      stage;
      launches;
      /** Rows that one call can take before a value of it meets the limit of a binding. */
      mostRows;
      #plan;
      #memory;
      #counters;
      #shared;
      #call;
      #callStride;
      #slots = [];
      #own = /* @__PURE__ */ new Map();
      #gathered = /* @__PURE__ */ new Map();
      #bindGroups;
      #groups = [];
      #capacity = 0;
      #rows = -1;
      constructor(plan, stage, pipelines, memory, counters, shared) {
        this.#plan = plan;
        this.stage = stage;
        this.#memory = memory;
        this.#counters = counters;
        this.#shared = shared;
        this.launches = plan.kernels[stage].flatMap((kernel) => {
          const pipeline = pipelines.get(kernel.name);
          if (pipeline === void 0) throw new Error(`internal: no text for the kernel ${kernel.name}`);
          const ranges = kernel.slicing?.ranges ?? [void 0];
          return ranges.map((range2) => ({ kernel, pipeline, range: range2 }));
        });
        const units = [...this.#arena, ...plan.values.filter(isBatched).map((value2) => this.#unitOf(value2))];
        const unit = units.reduce((most, each) => Math.max(most, each), 1);
        this.mostRows = Math.max(1, Math.floor(memory.largestBinding / (unit * BYTES)));
        this.#callStride = Math.max(memory.limits.offsetAlignment, CALL_WORDS * BYTES);
        const bytes = this.#callStride * Math.max(1, this.launches.length);
        this.#call = memory.create(`${stage} call`, bytes, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
      }
      get capacity() {
        return this.#capacity;
      }
      get rows() {
        return Math.max(0, this.#rows);
      }
      /** Makes room for `rows` rows and tells the kernels that there are so many. */
      prepare(rows) {
        if (rows > this.#capacity) this.#grow(Math.min(this.mostRows, capacityFor(rows)));
        if (rows === this.#rows) return;
        this.#rows = rows;
        const stride = this.#callStride / BYTES;
        const words = new Int32Array(
          this.#memory.scratch(this.#callStride * Math.max(1, this.launches.length)),
          0,
          stride * this.launches.length
        );
        this.launches.forEach(({ range: range2 }, i) => {
          words.set([rows, range2?.from ?? 0, range2?.to ?? 0, 1], i * stride);
        });
        this.#memory.write(this.#call, 0, words);
        this.#groups = this.launches.map(
          ({ kernel, range: range2 }) => kernel.indirect === void 0 ? workgroupsOf(kernel, rows, range2) : Math.min(rows, 1)
        );
      }
      /** Makes room for `rows` gathered rows of a table. */
      prepareGathered(value2, rows) {
        const before = this.#gathered.get(value2.id);
        if (before !== void 0 && before.rows >= rows) return before.buffer;
        if (before !== void 0) this.#memory.free(before.buffer);
        const capacity = capacityFor(Math.max(rows, 16));
        const buffer = this.#memory.storage(value2.name, capacity * value2.unit * BYTES);
        this.#gathered.set(value2.id, { buffer, rows: capacity });
        this.#bindGroups = void 0;
        return buffer;
      }
      /** The buffer of a value that belongs to this stage's calls. */
      buffer(value2) {
        const { home } = value2;
        if (home.kind === "temp") return home.stage === this.stage ? this.#slots[home.slot] : void 0;
        return this.#gathered.get(value2.id)?.buffer ?? this.#own.get(value2.id);
      }
      /** A shared buffer was replaced. */
      invalidate() {
        this.#bindGroups = void 0;
      }
      /** Fills what the next run writes with NaN. */
      poison() {
        this.#arena.forEach((unit, slot) => {
          const buffer = this.#slots[slot];
          const rows = this.stage === "load" ? 1 : this.rows;
          if (buffer !== void 0) this.#memory.fillNaN(buffer, 0, unit * rows);
        });
        for (const value2 of this.#plan.values) {
          const written = value2.home.kind === "output" || value2.home.kind === "list";
          const buffer = written ? this.#own.get(value2.id) : void 0;
          const rows = isBatched(value2) ? this.rows : 1;
          if (buffer !== void 0) this.#memory.fillNaN(buffer, 0, value2.unit * rows);
        }
      }
      /**
       * Encodes the launches, in order. With a timer each gets a pass of its own. `atLeastOnce` launches one workgroup even of a
       * kernel that has nothing to do, so that a driver that compiles at the first launch does it now.
       */
      encode(encoder, options = {}) {
        const bindGroups = this.#bindGroups ?? this.#createBindGroups();
        this.#bindGroups = bindGroups;
        const { timer, atLeastOnce = false } = options;
        let pass = timer === void 0 ? encoder.beginComputePass({ label: this.stage }) : void 0;
        this.launches.forEach(({ kernel, pipeline }, i) => {
          const groups2 = Math.max(this.#groups[i] ?? 0, atLeastOnce ? 1 : 0);
          if (groups2 === 0) return;
          if (timer !== void 0)
            pass = encoder.beginComputePass({ label: kernel.name, timestampWrites: timer.writes(i) });
          if (pass === void 0) throw new Error("internal: no pass");
          pass.setPipeline(pipeline.pipeline);
          pass.setBindGroup(0, bindGroups[i]);
          if (kernel.indirect !== void 0 && this.rows > 0) {
            pass.dispatchWorkgroupsIndirect(
              this.#argumentsOf(kernel.indirect.value),
              kernel.indirect.index * 4 * BYTES
            );
          } else {
            const x = Math.min(groups2, this.#memory.limits.workgroups);
            pass.dispatchWorkgroups(x, Math.ceil(groups2 / x));
          }
          if (timer !== void 0) pass.end();
        });
        if (timer === void 0) pass?.end();
      }
      /** Frees the temporaries of a stage that will not run again. */
      release() {
        for (const buffer of [...this.#slots, ...this.#own.values(), this.#call]) this.#memory.free(buffer);
        this.#slots.length = 0;
        this.#own.clear();
      }
      get #arena() {
        return this.#plan.arenas.find((arena) => arena.stage === this.stage)?.units ?? [];
      }
      /** Elements of a value for each row of this stage; 0 if it is not of this stage. */
      #unitOf(value2) {
        const { home } = value2;
        if (home.kind === "rows" && home.stage === this.stage) {
          const ids = this.#plan.features.filter((feature2) => home.features.includes(feature2.name));
          return value2.unit * ids.reduce((sum, { shape }) => sum + shape.reduce((all, extent2) => all * extent2, 1), 0);
        }
        return this.#isOwn(value2) ? value2.unit : 0;
      }
      #isOwn(value2) {
        const { home } = value2;
        switch (home.kind) {
          case "input":
          case "list":
            return home.stage === this.stage;
          case "slots":
            return this.stage === "user";
          case "request":
          case "output":
            return this.stage === "item";
          default:
            return false;
        }
      }
      #grow(capacity) {
        for (const buffer of [...this.#slots, ...this.#own.values()]) this.#memory.free(buffer);
        this.#capacity = capacity;
        this.#arena.forEach((unit, slot) => {
          this.#slots[slot] = this.#memory.storage(`${this.stage} arena ${slot}`, unit * capacity * BYTES);
        });
        for (const value2 of this.#plan.values) {
          if (this.#isOwn(value2)) this.#own.set(value2.id, this.#create(value2, capacity));
          if (value2.home.kind === "rows" && value2.home.stage === this.stage) this.prepareGathered(value2, 1);
        }
        this.#bindGroups = void 0;
      }
      #create(value2, capacity) {
        const bytes = value2.unit * (isBatched(value2) ? capacity : 1) * BYTES;
        const { home } = value2;
        return home.kind === "list" && home.launches ? this.#memory.arguments(value2.name, bytes) : this.#memory.storage(value2.name, bytes);
      }
      #argumentsOf(value2) {
        const buffer = this.#own.get(value2);
        if (buffer === void 0) throw new Error("internal: workgroups are counted in a value of another stage");
        return buffer;
      }
      #createBindGroups() {
        return this.launches.map(({ kernel, pipeline, range: range2 }, i) => {
          this.#counters.bindGroupsCreated++;
          const call3 = { buffer: this.#call, offset: i * this.#callStride, size: CALL_WORDS * BYTES };
          return this.#memory.gpu.createBindGroup({
            label: kernel.name,
            layout: pipeline.layout,
            entries: [
              { binding: 0, resource: call3 },
              ...pipeline.text.bindings.map((binding, k) => ({
                binding: k + 1,
                resource: this.#binding(kernel, binding.value, range2)
              }))
            ]
          });
        });
      }
      #binding(kernel, id, range2) {
        const value2 = this.#plan.values[id];
        if (value2 === void 0) throw new Error(`internal: ${kernel.name} binds the unknown value ${id}`);
        const own2 = this.buffer(value2);
        if (own2 !== void 0) return { buffer: own2 };
        const slice = kernel.slicing?.values.includes(id) ? range2 : void 0;
        const shared = this.#shared(value2, slice);
        if (shared === void 0)
          throw new Error(`internal: ${kernel.name} binds ${value2.name}, which ${this.stage} has not`);
        const offset = shared.offset ?? 0;
        if (offset % this.#memory.limits.offsetAlignment !== 0) {
          throw new Error(`internal: slice of ${value2.name} starts at byte ${offset}, which is not aligned`);
        }
        return shared;
      }
    };
  }
});

// src/runtime/engine/timer.ts
var TIMESTAMP_BYTES, KernelTimer;
var init_timer = __esm({
  "src/runtime/engine/timer.ts"() {
    "use strict";
    TIMESTAMP_BYTES = 8;
    KernelTimer = class {
      #names;
      #stage;
      #queries;
      #resolved;
      #readback;
      #times;
      #used = /* @__PURE__ */ new Set();
      /** `names`: the kernel of each launch. Times are added up in `times`. */
      constructor(memory, stage, names, times3) {
        const count2 = Math.max(1, names.length) * 2;
        this.#stage = stage;
        this.#names = names;
        this.#times = times3;
        this.#queries = memory.gpu.createQuerySet({ label: `${stage} timestamps`, type: "timestamp", count: count2 });
        const bytes = count2 * TIMESTAMP_BYTES;
        const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
        this.#resolved = memory.create(`${stage} timestamps`, bytes, QUERY_RESOLVE | COPY_SRC);
        this.#readback = memory.create(`${stage} timestamps read`, bytes, COPY_DST | MAP_READ);
      }
      /** For the pass of launch `i`. */
      writes(i) {
        this.#used.add(i);
        return { querySet: this.#queries, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
      }
      resolve(encoder) {
        encoder.resolveQuerySet(this.#queries, 0, Math.max(1, this.#names.length) * 2, this.#resolved, 0);
        encoder.copyBufferToBuffer(this.#resolved, 0, this.#readback, 0, this.#readback.size);
      }
      /** Adds the launches since the last call; the commands must have been submitted. */
      async collect(wait) {
        await wait(this.#readback.mapAsync(GPUMapMode.READ));
        const stamps = new BigUint64Array(this.#readback.getMappedRange());
        for (const i of this.#used) {
          const name2 = this.#names[i];
          const nanoseconds = Number((stamps[2 * i + 1] ?? 0n) - (stamps[2 * i] ?? 0n));
          if (name2 === void 0) throw new Error(`internal: no launch ${i}`);
          const before = this.#times.get(name2) ?? { stage: this.#stage, runs: 0, nanoseconds: 0 };
          this.#times.set(name2, {
            stage: this.#stage,
            runs: before.runs + 1,
            nanoseconds: before.nanoseconds + nanoseconds
          });
        }
        this.#used = /* @__PURE__ */ new Set();
        this.#readback.unmap();
      }
      destroy() {
        this.#queries.destroy();
      }
    };
  }
});

// src/runtime/engine/upload.ts
function uploadInputs(plan, program, inputs, weights, memory) {
  const rewritten = /* @__PURE__ */ new Map();
  for (const value2 of plan.values) {
    const { home } = value2;
    if (home.kind !== "rows" || home.stage !== program.stage) continue;
    const ids = gatherIds(home.features, inputs.features, rewritten);
    const buffer = program.prepareGathered(value2, ids.length);
    const layout2 = layoutOf(value2);
    const words = new Float32Array(
      memory.scratch(ids.length * layout2.unit * BYTES),
      0,
      ids.length * layout2.unit
    );
    ids.forEach((id, row) => {
      const from = weights.read(home.path, id * layout2.compactUnit, layout2.compactUnit);
      packRows(layout2, from, 0, 1, words.subarray(row * layout2.unit, (row + 1) * layout2.unit));
    });
    memory.write(buffer, 0, words);
  }
  for (const value2 of plan.values) {
    const { home } = value2;
    if (home.kind !== "input" || home.stage !== program.stage) continue;
    const array = rewritten.get(home.feature) ?? inputs.features.get(home.feature);
    const buffer = program.buffer(value2);
    if (array === void 0 || buffer === void 0)
      throw new Error(`internal: no values for ${home.feature}`);
    memory.write(buffer, 0, packed2(value2, array, inputs.rows, memory));
  }
}
function gatherIds(features, given, rewritten) {
  const rowOf = /* @__PURE__ */ new Map();
  for (const name2 of features) {
    const ids = given.get(name2);
    if (ids === void 0) throw new Error(`internal: the ids of ${name2} are not features of this stage`);
    const rows = new Int32Array(ids.length);
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? 0;
      let row = rowOf.get(id);
      if (row === void 0) {
        row = rowOf.size;
        rowOf.set(id, row);
      }
      rows[i] = row;
    }
    rewritten.set(name2, rows);
  }
  return [...rowOf.keys()];
}
function uploadKept(plan, slabs, slots, inputs, memory) {
  for (const value2 of plan.values) {
    const { home } = value2;
    if (home.kind !== "kept" || home.feature === void 0) continue;
    const array = inputs.features.get(home.feature);
    const buffer = slabs.buffer(value2.id);
    if (array === void 0 || buffer === void 0)
      throw new Error(`internal: no values for ${home.feature}`);
    const words = packed2(value2, array, inputs.rows, memory);
    eachSlotRun(slots, (at2, slot, length2) => {
      memory.write(buffer, slot * value2.unit, words.subarray(at2 * value2.unit, (at2 + length2) * value2.unit));
    });
  }
}
function uploadSlots(plan, program, slots, memory) {
  const kind = program.stage === "user" ? "slots" : "request";
  for (const value2 of plan.values) {
    const buffer = value2.home.kind === kind ? program.buffer(value2) : void 0;
    if (buffer !== void 0) memory.write(buffer, 0, slots);
  }
}
function packed2(value2, array, rows, memory) {
  const layout2 = layoutOf(value2);
  if (layout2.compact && array instanceof Float32Array === (value2.element === "f32")) return array;
  const count2 = rows * layout2.unit;
  const memoryOfCall = memory.scratch(count2 * BYTES);
  const words = value2.element === "f32" ? new Float32Array(memoryOfCall, 0, count2) : new Int32Array(memoryOfCall, 0, count2);
  packRows(layout2, array, 0, rows, words);
  return words;
}
var init_upload = __esm({
  "src/runtime/engine/upload.ts"() {
    "use strict";
    init_layout2();
    init_slabs();
  }
});

// src/runtime/engine/loaded.ts
var FLIGHTS, LoadedModel;
var init_loaded = __esm({
  "src/runtime/engine/loaded.ts"() {
    "use strict";
    init_error();
    init_plan();
    init_inputs();
    init_flights();
    init_health();
    init_inspect();
    init_layout2();
    init_memory();
    init_params();
    init_pipelines();
    init_readback();
    init_serialized();
    init_slabs();
    init_stage2();
    init_timer();
    init_upload();
    FLIGHTS = 2;
    LoadedModel = class _LoadedModel {
      #plan;
      #weights;
      #options;
      #meters;
      #gpu;
      #memory;
      #slabs;
      #scores;
      #outputValues;
      #flights;
      #health;
      #programs = /* @__PURE__ */ new Map();
      #timers = /* @__PURE__ */ new Map();
      #identity;
      #params = /* @__PURE__ */ new Map();
      #whole = /* @__PURE__ */ new Map();
      #lastSlots = [];
      constructor(device2, plan, weights, options, meters) {
        this.#plan = plan;
        this.#weights = weights;
        this.#options = options;
        this.#meters = meters;
        this.#gpu = device2.gpu;
        this.#memory = new Memory(device2.gpu, plan.profile.limits, meters.counters);
        this.#slabs = new Slabs(plan, this.#memory);
        this.#scores = plan.outputs.filter(isScore);
        this.#outputValues = this.#scores.map((output) => this.#value(output.value));
        const flights = Array.from({ length: options.profile === true ? 1 : FLIGHTS }, () => ({
          outputs: new OutputReader(this.#memory, this.#outputValues),
          errors: [],
          submitted: false
        }));
        this.#flights = new Flights(flights);
        const inUse = this.#flights.inUse;
        this.#health = new Health(device2.gpu, device2.profile.features.software, () => inUse);
      }
      /** Throws RMX0803, RMX0805 and what reading weights throws. */
      static async load(device2, { plan, kernels }, weights, options, meters) {
        const begin = performance.now();
        const model = new _LoadedModel(device2, plan, weights, options, meters);
        try {
          await model.#load(kernels);
        } catch (error) {
          model.close("the engine was not loaded");
          throw error;
        }
        meters.stageMs.load = performance.now() - begin;
        return model;
      }
      async #load(kernels) {
        const { onProgress = () => {
        } } = this.#options;
        const { counters } = this.#meters;
        const pipelines = await createPipelines(
          this.#gpu,
          kernels,
          counters,
          (done, total) => onProgress("kernels", done, total)
        );
        this.#gpu.pushErrorScope("out-of-memory");
        this.#params = uploadParams(
          this.#plan,
          this.#memory,
          this.#weights,
          (done, total) => onProgress("weights", done, total)
        );
        this.#whole = uploadConstants(this.#plan, this.#memory);
        for (const value2 of this.#plan.values) {
          if (value2.home.kind !== "load") continue;
          this.#whole.set(value2.id, this.#memory.storage(value2.name, value2.unit * BYTES));
        }
        for (const stage of ["load", "user", "item"])
          this.#programs.set(stage, this.#program(stage, pipelines));
        const outOfMemory = await this.#gpu.popErrorScope();
        if (outOfMemory !== null) {
          throw new InputError("RMX0805", "the model does not fit the device's memory", {
            notes: [outOfMemory.message]
          });
        }
        const { name: name2 } = this.#plan;
        const { version = "" } = this.#options;
        this.#identity = { model: name2, plan: await planHash(this.#plan, kernels), version };
        await this.#fly((flight) => this.#runLoadStage(flight));
        await this.#fly((flight) => this.#warmUp(flight));
      }
      get live() {
        return this.#health.live;
      }
      check() {
        this.#health.check();
      }
      requestsOf(slots) {
        return slots.length;
      }
      bytesOf(slots) {
        return slots.length * this.#slabs.slotBytes;
      }
      release(slots) {
        this.#slabs.free(slots);
      }
      get held() {
        return { ...this.#memory.held, requestsKept: this.#slabs.used };
      }
      /** Frees everything. Calls that are under way, and all later ones, fail with `reason`. */
      close(reason) {
        this.#health.close(reason);
        for (const timer of this.#timers.values()) timer.destroy();
        this.#timers.clear();
        this.#memory.freeAll();
      }
      /** Runs the user stage; the slots are the caller's. */
      async user(inputs) {
        let begin = 0;
        const chunks = this.#chunksOf("user", inputs).map(
          ({ chunk, from }) => this.#fly((flight) => {
            if (from === 0) begin = performance.now();
            return this.#keeping(chunk.rows, (slots2) => this.#userChunk(flight, chunk, slots2));
          })
        );
        const settled = await Promise.allSettled(chunks);
        if (inputs.rows > 0) this.#meters.stageMs.user = performance.now() - begin;
        const slots = settled.flatMap((chunk) => chunk.status === "fulfilled" ? chunk.value : []);
        const failed = settled.find((chunk) => chunk.status === "rejected");
        if (failed === void 0) return slots;
        this.#slabs.free(slots);
        throw failed.reason;
      }
      /** Scores candidate n with the results in slot `slots[n]`. */
      async score(inputs, slots) {
        const scores = this.#outputValues.map(
          (value2) => new Float32Array(inputs.rows * layoutOf(value2).compactUnit)
        );
        let begin = 0;
        const chunks = this.#chunksOf("item", inputs).map(
          ({ chunk, from }) => this.#fly((flight) => {
            if (from === 0) begin = performance.now();
            const part = slots.subarray(from, from + chunk.rows);
            return this.#itemChunk(flight, chunk, part, scores, from);
          })
        );
        for (const chunk of await Promise.allSettled(chunks)) if (chunk.status === "rejected") throw chunk.reason;
        if (inputs.rows > 0) this.#meters.stageMs.item = performance.now() - begin;
        return new Map(this.#scores.map((output, i) => [output.task, scores[i] ?? new Float32Array()]));
      }
      /** What the slots hold, as bytes. */
      serialize(slots) {
        return this.#fly(async (flight) => {
          const arrays = await this.#slabs.read(slots, this.#waitOf(flight));
          return encodeKept(this.#identified, this.#keptSpecs, { requests: slots.length, arrays });
        });
      }
      /** Slots that hold what `serialize` read; they are the caller's. Throws RMX0812. */
      async deserialize(bytes) {
        const { requests, arrays } = decodeKept(this.#identified, this.#keptSpecs, bytes);
        return this.#fly(() => this.#keeping(requests, async (slots) => this.#slabs.write(slots, arrays)));
      }
      /**
       * A value as the last call left it (of a call cut into chunks, the last chunk). A temporary is what its kernel wrote only
       * in a plan whose arena slots are not reused.
       */
      read(id) {
        return this.#fly(async (flight) => {
          const value2 = this.#value(id);
          const layout2 = layoutOf(value2);
          const { pieces: pieces2, rows } = placeOf(value2, {
            params: this.#params,
            whole: this.#whole,
            slabs: this.#slabs,
            slots: this.#lastSlots,
            programs: [...this.#programs.values()]
          });
          const words = await readWords(this.#memory, value2.element, pieces2, this.#waitOf(flight));
          const data2 = newValues(value2.element, rows * layout2.compactUnit);
          unpackRows(layout2, words, rows, data2);
          const shape = value2.shape.map((extent2) => typeof extent2 === "number" ? extent2 : rows);
          return { shape, data: data2 };
        });
      }
      /** Runs `run` in turn; what it does before its first `await` is not interrupted by another call. */
      #fly(run2) {
        return this.#flights.run((flight) => {
          flight.errors.length = 0;
          flight.submitted = false;
          this.#health.checkCall(flight);
          return run2(flight);
        });
      }
      #waitOf(flight) {
        return (kind, promise) => this.#health.wait(flight, kind, promise);
      }
      /** Allocates slots for `fill`, which stay allocated if it succeeds. */
      async #keeping(requests, fill) {
        if (this.#slabs.reserve(requests)) {
          for (const program of this.#programs.values()) program.invalidate();
        }
        const slots = this.#slabs.allocate(requests);
        try {
          await fill(slots);
          return slots;
        } catch (error) {
          this.#slabs.free(slots);
          throw error;
        }
      }
      async #runLoadStage(flight) {
        const program = this.#stage("load");
        if (program.launches.length > 0) {
          program.prepare(1);
          if (this.#options.poison === true) poisonLoad(this.#plan, program, this.#whole, this.#memory);
          await this.#submitAndWait(flight, program);
        }
        if (this.#options.inspect !== true) program.release();
      }
      /** Drivers that compile at the first launch do it here, with nothing to compute. */
      async #warmUp(flight) {
        const encoder = this.#gpu.createCommandEncoder({ label: "warm up" });
        for (const stage of ["user", "item"]) {
          const program = this.#stage(stage);
          program.prepare(1);
          program.prepare(0);
          program.encode(encoder, { atLeastOnce: true });
        }
        this.#submit(flight, encoder);
        await this.#health.wait(flight, "warm up", this.#gpu.queue.onSubmittedWorkDone());
      }
      async #userChunk(flight, inputs, slots) {
        const program = this.#stage("user");
        this.#lastSlots = slots;
        program.prepare(inputs.rows);
        if (this.#options.poison === true) poisonUser(program, this.#slabs, slots, this.#memory);
        uploadInputs(this.#plan, program, inputs, this.#weights, this.#memory);
        uploadKept(this.#plan, this.#slabs, slots, inputs, this.#memory);
        uploadSlots(this.#plan, program, Int32Array.from(slots), this.#memory);
        await this.#submitAndWait(flight, program);
      }
      async #itemChunk(flight, inputs, slots, scores, from) {
        const program = this.#stage("item");
        program.prepare(inputs.rows);
        if (this.#options.poison === true) program.poison();
        uploadInputs(this.#plan, program, inputs, this.#weights, this.#memory);
        uploadSlots(this.#plan, program, slots, this.#memory);
        const encoder = this.#gpu.createCommandEncoder({ label: "item" });
        const timer = this.#timer("item", program);
        program.encode(encoder, { timer });
        timer?.resolve(encoder);
        flight.outputs.copy(encoder, (value2) => program.buffer(value2), inputs.rows, program.capacity);
        this.#submit(flight, encoder);
        await flight.outputs.read(inputs.rows, scores, from, this.#waitOf(flight));
        await timer?.collect((promise) => this.#health.wait(flight, "timestamps", promise));
      }
      /** The rows in chunks that the stage can take; none for no rows. */
      #chunksOf(stage, inputs) {
        const { rows } = inputs;
        const most = this.#stage(stage).mostRows;
        if (rows > 0 && rows <= most) return [{ chunk: inputs, from: 0 }];
        return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
          const from = i * most;
          return { chunk: sliceRows2(this.#plan.features, inputs, from, Math.min(rows, from + most)), from };
        });
      }
      async #submitAndWait(flight, program) {
        const encoder = this.#gpu.createCommandEncoder({ label: program.stage });
        const timer = this.#timer(program.stage, program);
        program.encode(encoder, { timer });
        timer?.resolve(encoder);
        this.#submit(flight, encoder);
        const done = this.#gpu.queue.onSubmittedWorkDone();
        await this.#health.wait(flight, `${program.stage} ${program.capacity}`, done);
        await timer?.collect((promise) => this.#health.wait(flight, "timestamps", promise));
      }
      #submit(flight, encoder) {
        const { counters } = this.#meters;
        this.#gpu.queue.submit([encoder.finish()]);
        counters.submits++;
        for (const other of this.#flights.inUse) {
          if (other === flight || !other.submitted) continue;
          counters.overlapped++;
          break;
        }
        flight.submitted = true;
      }
      #program(stage, pipelines) {
        const { counters } = this.#meters;
        return new StageProgram(this.#plan, stage, pipelines, this.#memory, counters, (value2, range2) => {
          const parts = this.#params.get(value2.id);
          if (parts !== void 0) return bindPart(value2, parts, range2);
          const buffer = this.#slabs.buffer(value2.id) ?? this.#whole.get(value2.id);
          return buffer === void 0 ? void 0 : { buffer };
        });
      }
      #stage(stage) {
        const program = this.#programs.get(stage);
        if (program === void 0) throw new Error(`internal: the ${stage} stage is not loaded`);
        return program;
      }
      get #identified() {
        if (this.#identity === void 0) throw new Error("internal: the model is not loaded");
        return this.#identity;
      }
      get #keptSpecs() {
        return this.#slabs.values.map((value2) => ({
          name: value2.name,
          element: value2.element === "f32" ? "f32" : "i32",
          shape: layoutOf(value2).inner
        }));
      }
      #timer(stage, program) {
        if (this.#options.profile !== true || !this.#gpu.features.has("timestamp-query")) return void 0;
        let timer = this.#timers.get(stage);
        if (timer === void 0) {
          const names = program.launches.map(({ kernel }) => kernel.name);
          timer = new KernelTimer(this.#memory, stage, names, this.#meters.kernelTimes);
          this.#timers.set(stage, timer);
        }
        return timer;
      }
      #value(id) {
        const value2 = this.#plan.values[id];
        if (value2 === void 0) throw new Error(`internal: the plan has no value ${id}`);
        return value2;
      }
    };
  }
});

// src/runtime/engine/webgpu.ts
async function loadWebGpuEngine(device2, program, weights, options = {}) {
  const meters = {
    counters: { buffersCreated: 0, pipelinesCreated: 0, bindGroupsCreated: 0, submits: 0, overlapped: 0 },
    stageMs: {},
    kernelTimes: /* @__PURE__ */ new Map()
  };
  const load2 = async (onto) => {
    checkFits(program.plan, onto);
    return LoadedModel.load(onto, program, weights, options, meters);
  };
  const close = () => {
    if (options.ownsWeights === true) weights.close();
  };
  return new WebGpuEngine(program.plan, meters, await load2(device2), load2, close);
}
function checkFits(plan, device2) {
  const missing = missingLimits(plan.profile, device2.profile);
  if (missing.length === 0) return;
  throw new InputError("RMX0802", "the device has less than the program was compiled for", {
    notes: missing,
    help: "compile for this device's own profile, which is what `rmxc run` does"
  });
}
async function openOwn() {
  const device2 = await openDevice("webgpu");
  if (device2.kind !== "webgpu") throw new Error("internal: another device than asked for");
  return device2;
}
var WebGpuEngine;
var init_webgpu = __esm({
  "src/runtime/engine/webgpu.ts"() {
    "use strict";
    init_error();
    init_device();
    init_inputs();
    init_profile();
    init_cache();
    init_handles();
    init_loaded();
    WebGpuEngine = class {
      #plan;
      #meters;
      #load;
      #close;
      #model;
      /** The device that `restore` opened. */
      #owned;
      #restoring;
      #destroyed = false;
      constructor(plan, meters, model, load2, close) {
        this.#plan = plan;
        this.#meters = meters;
        this.#model = model;
        this.#load = load2;
        this.#close = close;
      }
      async user(features, options = {}) {
        const inputs = checkInputs(this.#plan.features, "user", features, options.requests);
        await this.#restoring;
        const model = this.#model;
        return Handle.to(model, await model.user(inputs));
      }
      score(user, items, options = {}) {
        const model = this.#model;
        return holding(model, user, (kept) => {
          const slots = kept.flat();
          const inputs = checkInputs(this.#plan.features, "item", items, options.candidates);
          const request = checkRequest(options.request, inputs.rows, slots.length);
          return model.score(
            inputs,
            request.map((r) => slots[r] ?? 0)
          );
        });
      }
      async deserialize(bytes) {
        await this.#restoring;
        const model = this.#model;
        return Handle.to(model, await model.deserialize(bytes));
      }
      cache(options) {
        return new UserCache(this, options);
      }
      restore(device2) {
        this.#restoring ??= this.#restore(device2).finally(() => {
          this.#restoring = void 0;
        });
        return this.#restoring;
      }
      /** See `LoadedModel.read`. */
      read(id) {
        return this.#model.read(id);
      }
      stats() {
        const { counters, stageMs, kernelTimes } = this.#meters;
        return { ...counters, ...this.#model.held, stageMs: { ...stageMs }, kernels: new Map(kernelTimes) };
      }
      destroy() {
        if (this.#destroyed) return;
        this.#destroyed = true;
        this.#model.close("the engine was destroyed");
        this.#owned?.destroy();
        this.#close();
      }
      async #restore(given) {
        if (this.#destroyed) throw new InputError("RMX0804", "the engine was destroyed");
        if (given?.kind === "reference") {
          throw new InputError("RMX0821", "the reference device cannot run what was compiled to kernels");
        }
        this.#model.close("the engine moved to another device");
        this.#owned?.destroy();
        this.#owned = void 0;
        const device2 = given ?? await openOwn();
        try {
          const model = await this.#load(device2);
          if (this.#destroyed) {
            model.close("the engine was destroyed");
            throw new InputError("RMX0804", "the engine was destroyed");
          }
          this.#model = model;
          if (given === void 0) this.#owned = device2;
        } catch (error) {
          if (given === void 0) device2.destroy();
          throw error;
        }
      }
    };
  }
});

// src/ir/build.ts
init_indexmap();

// src/ir/ops/constants.ts
init_ops();
init_tensor();
var LARGEST = 2 ** 20;
var KNOWN = /* @__PURE__ */ new Set(["const", "data", "iota", "pointwise", "view", "concat"]);
var ConstantTable = class {
  #nodeOf;
  #values = /* @__PURE__ */ new Map();
  constructor(nodeOf) {
    this.#nodeOf = nodeOf;
  }
  /** The operand's elements as an op sees them; undefined if they depend on a parameter or feature, or are too many. */
  of(operand) {
    const value2 = this.#value(operand.id);
    if (value2 === void 0 || operand.map === void 0) return value2;
    return isSmall(operand.map.out) ? viewTensor(value2, operand.map) : void 0;
  }
  #value(id) {
    if (this.#values.has(id)) return this.#values.get(id);
    const value2 = this.#compute(this.#nodeOf(id));
    this.#values.set(id, value2);
    return value2;
  }
  #compute(node) {
    if (!KNOWN.has(node.op.kind) || !isSmall(node.type.shape)) return void 0;
    const inputs = [];
    for (const operand of node.inputs) {
      const input = this.of(operand);
      if (input === void 0) return void 0;
      inputs.push(input);
    }
    return opDef(node.op.kind).evaluate(node.op, inputs, node.type, {});
  }
};
function isSmall(shape) {
  const extents = shape.filter((extent2) => typeof extent2 === "number");
  return extents.length === shape.length && numel2(extents) <= LARGEST;
}

// src/ir/build.ts
init_def();
init_ops();
init_stage();
var GraphBuilder = class {
  #nodes = [];
  #features = /* @__PURE__ */ new Map();
  #params = /* @__PURE__ */ new Map();
  #constants = new ConstantTable((id) => this.node(id));
  /** How many nodes there are. */
  get size() {
    return this.#nodes.length;
  }
  node(id) {
    const node = this.#nodes[id];
    if (node === void 0) throw new Error(`internal: no node %${id}`);
    return node;
  }
  /** The operand's type as an op sees it. */
  typeOf(operand) {
    const { type } = this.node(operand.id);
    return operand.map === void 0 ? type : { shape: operand.map.out, dtype: type.dtype };
  }
  /** The operand's stage as an op sees it. */
  stageOf(operand) {
    const { stage } = this.node(operand.id);
    return operand.map === void 0 ? stage : viewStage(stage, operand.map);
  }
  /** Records a feature, whose stage its node takes. */
  declareFeature(info) {
    this.#features.set(info.name, info);
  }
  declareParam(info) {
    this.#params.set(info.path, info);
  }
  /** Appends a node. Throws OpError where the operands do not fit the op. */
  add(op, inputs, site) {
    const { path, origin, program, type: declared } = site;
    const def = opDef(op.kind);
    const types = inputs.map((input) => this.typeOf(input));
    const type = def.shape(op, types, declared);
    const node = {
      id: this.#nodes.length,
      op,
      inputs,
      type,
      stage: this.#stage(op, inputs, types, type),
      ...program === void 0 ? {} : { program },
      path,
      ...origin === void 0 ? {} : { origin }
    };
    this.#nodes.push(node);
    return node;
  }
  /** By the op's rule; with a batch axis in sight, one level for the whole value. */
  #stage(op, inputs, types, type) {
    const ctx = {
      operands: inputs,
      inputs: types,
      node: (id) => this.node(id),
      feature: (name2) => this.#features.get(name2),
      constant: (operand) => this.#constants.of(operand)
    };
    const def = opDef(op.kind);
    const batched = [type, ...types].some(({ shape }) => shape.some((extent2) => typeof extent2 !== "number"));
    if (!batched || inputs.length === 0 || op.kind === "by_request") {
      return def.stage(
        op,
        inputs.map((input) => this.stageOf(input)),
        type,
        ctx
      );
    }
    const levels2 = inputs.map((input) => uniform(type.shape, maxLevel(this.node(input.id).stage)));
    return joinStages([uniform(type.shape, 1), ...levels2]);
  }
  param(info, path = info.path) {
    this.declareParam(info);
    return this.add({ kind: "param", path: info.path }, [], {
      path,
      type: { shape: info.shape, dtype: "num" }
    });
  }
  /** The feature's value for one request or candidate, or with its batch axis if `shape` says so. */
  feature(info, shape = info.shape) {
    this.declareFeature(info);
    const dtype = info.dtype === "f32" ? "num" : "i32";
    return this.add({ kind: "feature", name: info.name }, [], { path: info.name, type: { shape, dtype } });
  }
  constant(value2, shape = [], dtype = "num", path = "constant") {
    return this.add({ kind: "const", value: value2 }, [], { path, type: { shape, dtype } });
  }
  /** One value an element; the array's kind gives the element type. */
  data(values, shape, path = "data") {
    const dtype = values instanceof Float64Array ? "num" : values instanceof Int32Array ? "i32" : "bool";
    return this.add({ kind: "data", values }, [], { path, type: { shape, dtype } });
  }
  /** `fn` of the operands, which are broadcast to one shape from the right. */
  pointwise(fn, operands, path) {
    const shape = this.broadcastShape(operands);
    return this.add(
      { kind: "pointwise", fn },
      operands.map((operand) => this.stretch(operand, shape)),
      { path }
    );
  }
  /** A node that is the view `map` of the operand. */
  view(operand, map, path) {
    return this.add({ kind: "view" }, [this.through(operand, map)], { path });
  }
  /** `einsum([x, [0, 1]], [w, [1, 2]], [0, 2])`: x·w, summed over axis 1. */
  einsum(terms, out, path) {
    const operands = terms.map(([, labels]) => labels);
    return this.add(
      { kind: "einsum", operands, out },
      terms.map(([operand]) => operand),
      { path }
    );
  }
  /** The operand seen through one more map, without a node. */
  through(operand, map) {
    const composed = operand.map === void 0 ? map : composeMaps(map, operand.map);
    if (isIdentity(composed, this.node(operand.id).type.shape)) return { id: operand.id };
    return { id: operand.id, map: composed };
  }
  /** The shape that operands have together, aligned from the right, where 1 stretches. */
  broadcastShape(operands) {
    const shapes = operands.map((operand) => this.typeOf(operand).shape);
    const rank = Math.max(0, ...shapes.map((shape) => shape.length));
    return Array.from({ length: rank }, (_, j) => {
      const extents = shapes.map((shape) => shape[shape.length - rank + j] ?? 1);
      const wide = extents.filter((extent2) => extent2 !== 1);
      if (wide.some((extent2) => extent2 !== wide[0])) {
        throw new OpError(`the shapes ${shapes.map(showShape).join(" and ")} do not broadcast`);
      }
      return wide[0] ?? 1;
    });
  }
  /** The operand broadcast to `shape` from the right. */
  stretch(operand, shape) {
    const own2 = this.typeOf(operand).shape;
    const skip = shape.length - own2.length;
    return this.through(
      operand,
      broadcastMap(
        own2,
        shape,
        own2.map((_, j) => skip + j)
      )
    );
  }
  /** The Graph of what was added; parameters and features are the declared ones unless `rest` lists them. */
  finish(rest2) {
    return {
      name: rest2.name,
      nodes: [...this.#nodes],
      params: rest2.params ?? [...this.#params.values()],
      features: rest2.features ?? [...this.#features.values()],
      outputs: rest2.outputs,
      precision: rest2.precision,
      serve: rest2.serve
    };
  }
};

// test/support/attention.ts
init_indexmap();
var [BATCH_FREE_H, I_LABEL, J_LABEL, K_LABEL, E_LABEL] = [0, 1, 2, 3, 4];
function attention(form) {
  const { H, I, J, K, E, fn, masks: masks2 = [] } = form;
  const b = new GraphBuilder();
  const heads = H > 0 ? [H] : [];
  const rows = I > 0 ? [I] : [];
  const h = H > 0 ? [BATCH_FREE_H] : [];
  const i = I > 0 ? [I_LABEL] : [];
  const value2 = (name2, stage, shape2) => b.feature({ name: name2, stage, dtype: "f32", shape: shape2 });
  const keyed = (name2, width) => {
    if (form.keys !== "both") return value2(name2, form.keys, [J, ...heads, width]);
    const user = value2(`${name2}_user`, "user", [J - 1, ...heads, width]);
    const item = value2(`${name2}_item`, "item", [1, ...heads, width]);
    return b.add({ kind: "concat", axis: 0 }, [user, item], { path: name2 });
  };
  const q = value2("q", form.queries, [...rows, ...heads, K]);
  const k = keyed("k", K);
  const v = keyed("v", E);
  let s = b.einsum(
    [
      [q, [...i, ...h, K_LABEL]],
      [k, [J_LABEL, ...h, K_LABEL]]
    ],
    [...h, ...i, J_LABEL],
    "scores"
  );
  s = b.pointwise("mul", [s, b.constant(1 / Math.sqrt(K))], "scaled");
  const pair = [...rows, J];
  const qpos = b.view(
    b.add({ kind: "iota" }, [], { path: "i", type: { shape: [Math.max(1, I)], dtype: "i32" } }),
    I > 0 ? broadcastMap([I], pair, [0]) : broadcastMap([1], pair, [0]),
    "qpos"
  );
  const kpos = b.view(
    b.add({ kind: "iota" }, [], { path: "j", type: { shape: [J], dtype: "i32" } }),
    broadcastMap([J], pair, [pair.length - 1]),
    "kpos"
  );
  const integer = (n) => b.constant(n, [], "i32");
  if (form.bias) {
    const table = param2(b, "bias", [4]);
    const away = b.pointwise("abs", [b.pointwise("sub", [qpos, kpos], "away")], "away");
    const bucket = b.pointwise("min", [away, integer(3)], "bucket");
    s = b.pointwise("add", [s, b.add({ kind: "lookup" }, [table, bucket], { path: "bias" })], "biased");
  }
  if (fn === "silu") s = b.pointwise("silu", [s], "activated");
  const length2 = masks2.includes("length") && b.feature({ name: "hist.length", stage: "user", dtype: "i32", shape: [] });
  const keep2 = (mask2) => {
    switch (mask2) {
      case "causal":
        return b.pointwise("le", [kpos, qpos], mask2);
      case "window":
        return b.pointwise("lt", [b.pointwise("sub", [qpos, kpos], mask2), integer(3)], mask2);
      case "prefix":
        return b.pointwise(
          "or",
          [b.pointwise("lt", [kpos, integer(2)], mask2), b.pointwise("ge", [qpos, kpos], mask2)],
          mask2
        );
      case "length":
        if (!length2) throw new Error("no length");
        return b.pointwise("lt", [kpos, length2], mask2);
      case "class":
        return b.data(
          Uint8Array.from({ length: Math.max(1, I) * J }, (_, n) => n * 7 % 5 < 3 ? 1 : 0),
          pair,
          mask2
        );
      case "nothing":
        return b.pointwise("ne", [qpos, integer(0)], mask2);
    }
  };
  const nothing = b.constant(fn === "softmax" ? Number.NEGATIVE_INFINITY : 0);
  for (const mask2 of masks2) s = b.pointwise("where", [keep2(mask2), s, nothing], `${mask2}_masked`);
  const last2 = H > 0 ? pair.length : pair.length - 1;
  if (fn === "softmax") s = b.add({ kind: "softmax", axis: last2 }, [s], { path: "weights" });
  if (form.gain) {
    const factor = b.pointwise("to_num", [b.pointwise("add", [qpos, kpos], "gain")], "gain");
    s = b.pointwise("mul", [s, b.pointwise("mul", [factor, b.constant(0.25)], "gain")], "gained");
  }
  let o = b.einsum(
    [
      [s, [...h, ...i, J_LABEL]],
      [v, [J_LABEL, ...h, E_LABEL]]
    ],
    [...i, ...h, E_LABEL],
    "attended"
  );
  const shape = [...rows, ...heads, E];
  if (form.epilogue) {
    o = b.pointwise("relu", [b.pointwise("add", [o, param2(b, "b", [E])], "shifted")], "activated");
    o = b.pointwise("add", [o, value2("residual", form.queries, shape)], "residual");
  }
  return b.finish({
    name: "attention",
    outputs: [{ name: "o", value: o.map ? { id: o.id, map: o.map } : { id: o.id }, shape }],
    precision: { compute: "f32", parts: [], derived: [] },
    serve: { requests: 4, candidates: 64 }
  });
}
function param2(b, path, shape) {
  return b.param({
    path,
    shape,
    init: { kind: "normal", std: 1 },
    table: false,
    training: false,
    storage: { kind: "plain", type: "f32" }
  });
}

// backends/lower/access.ts
init_expr();
init_simplify();

// backends/lower/names.ts
var RESERVED = new Set(
  // Names that our own text uses.
  "main call thread group groups thread_index group_id inf Call sum4 max4 min4 alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let loop override requires return struct switch true var while array atomic bool f16 f32 i32 u32 mat2x2 mat2x3 mat2x4 mat3x2 mat3x3 mat3x4 mat4x2 mat4x3 mat4x4 ptr sampler vec2 vec3 vec4 vec2f vec3f vec4f vec2i vec3i vec4i vec2u vec3u vec4u NULL Self abstract active alignas alignof as asm asm_fragment async attribute auto await become cast catch class co_await co_return co_yield coherent column_major common compile compile_fragment concept const_cast consteval constexpr constinit crate debugger decltype delete demote demote_to_helper do dynamic_cast enum explicit export extends extern external fallthrough filter final finally friend from fxgroup get goto groupshared highp impl implements import inline instanceof interface layout lowp macro macro_rules match mediump meta mod module move mut mutable namespace new nil noexcept noinline nointerpolation noperspective null nullptr of operator package packoffset partition pass patch pixelfragment precise precision premerge priv protected pub public readonly ref regardless register reinterpret_cast require resource restrict self set shared sizeof smooth snorm static static_assert static_cast std subroutine super target template this thread_local throw trait try type typedef typeid typename typeof union unless unorm unsafe unsized use using varying virtual volatile wgsl where with writeonly yield abs acos all any asin atan bitcast ceil clamp cos cosh cross degrees distance dot exp exp2 floor fma fract inverseSqrt length log log2 max min mix normalize pow radians round saturate select sign sin sinh smoothstep sqrt step tan tanh transpose trunc subgroupAdd subgroupMax subgroupMin subgroupBroadcast workgroupBarrier int float double char short long signed unsigned void".split(" ")
);
function identifier(text) {
  const plain = text.replace(/[^A-Za-z0-9]+/g, "_").replace(/^_+|_+$/g, "").replace(/^(?=\d)/, "v");
  return plain === "" ? "v" : plain;
}
function freshName(hint, taken) {
  const base = identifier(hint);
  const bad = (name2) => RESERVED.has(name2) || /_(f32|i32)(x4)?$/.test(name2) || taken(name2);
  if (!bad(base)) return base;
  for (let i = 1; ; i++) {
    const name2 = /\d$/.test(base) ? `${base}_${i}` : `${base}${i}`;
    if (!bad(name2)) return name2;
  }
}

// backends/lower/access.ts
var LANE = "%4";
var SLICE_FROM = "@from";
function groupAxis(name2) {
  return `${name2}/4`;
}
function quadruple(extent2, group) {
  const groups2 = typeof extent2 === "number" ? Math.ceil(extent2 / 4) : extent2;
  return add(mul(axis(group, groups2), int(4)), axis(LANE, 4));
}
function groupOffset(offset) {
  const form = affineIn(offset, LANE);
  if (form === void 0 || form.coef !== 1 || !divisibleBy(form.rest, 4)) return void 0;
  return simplify({ kind: "apply", fn: "floordiv", args: [form.rest, int(4)], type: "i32" });
}
var Bindings = class {
  entries = /* @__PURE__ */ new Map();
  sliced;
  constructor(kernel, values) {
    this.sliced = new Set(kernel.slicing?.values ?? []);
    const names = /* @__PURE__ */ new Set();
    const written = new Set(kernel.buffers.filter((b) => b.access === "write").map((b) => b.value));
    for (const buffer of kernel.buffers) {
      if (this.entries.has(buffer.value)) continue;
      const value2 = values[buffer.value];
      if (value2 === void 0)
        throw new Error(`internal: ${kernel.name} binds the unknown value ${buffer.value}`);
      const name2 = freshName(value2.name, (n) => names.has(n));
      names.add(name2);
      const pooled = value2.home.kind === "temp" || value2.home.kind === "kept" || value2.home.kind === "load" && kernel.stage === "load";
      this.entries.set(buffer.value, {
        index: this.entries.size,
        value: value2,
        name: name2,
        // A pass may not use one buffer both read-only and writable, and these share a buffer with others of the kernel.
        access: pooled || written.has(buffer.value) ? "read_write" : "read",
        groups: value2.unit % 4 === 0 && (!this.sliced.has(buffer.value) || (value2.strides[0] ?? 0) % 4 === 0),
        used: false
      });
    }
  }
  /** The names that the bindings, and functions that read their elements, take. */
  get names() {
    return [...this.entries.values()].flatMap(({ name: name2 }) => [name2, `${name2}_element`]);
  }
  entry(value2) {
    const entry2 = this.entries.get(value2);
    if (entry2 === void 0)
      throw new Error(`internal: value ${value2} is used but not among the kernel's buffers`);
    return entry2;
  }
  /** Elements from the start of the binding, simplified. */
  offset(source, index2) {
    const { value: value2 } = this.entry(source);
    if (index2.length !== value2.strides.length) {
      throw new Error(
        `internal: ${value2.name} has ${value2.strides.length} axes and is indexed with ${index2.length}`
      );
    }
    let offset = int(0);
    index2.forEach((part, j) => {
      const stride = value2.strides[j] ?? 0;
      const at2 = j === 0 && this.sliced.has(source) ? sub(part, axis(SLICE_FROM, { of: "N", times: 1 })) : part;
      offset = add(offset, mul(at2, int(stride)));
    });
    return simplify(offset);
  }
  /** The group's index where the elements along LANE are one group of `source`; notes the use. */
  group(source, offset) {
    const entry2 = this.entry(source);
    const at2 = entry2.groups ? groupOffset(offset) : void 0;
    if (at2 !== void 0) entry2.used = true;
    return at2;
  }
  /** Whether `load`s of an expression gain from widening `name` to four: one at least becomes a vector load. */
  widens(e, name2, extent2) {
    if (!e.index.some((part) => axesOf(part).has(name2)) || !this.entry(e.source).groups) return false;
    const four = /* @__PURE__ */ new Map([[name2, quadruple(extent2, groupAxis(name2))]]);
    return groupOffset(
      this.offset(
        e.source,
        e.index.map((part) => substitute(part, four))
      )
    ) !== void 0;
  }
  list() {
    return [...this.entries.values()].map(({ value: value2, name: name2, access, used }) => ({
      name: name2,
      value: value2.id,
      access,
      element: value2.element,
      width: used ? 4 : 1
    }));
  }
};

// backends/lower/blocked.ts
init_expr();

// src/ir/thread.ts
var F32 = { of: "f32", width: 1 };
var I32 = { of: "i32", width: 1 };
var BOOL = { of: "bool", width: 1 };
var F32X4 = { of: "f32", width: 4 };
function widen(type, width) {
  return type.width === width ? type : { of: type.of, width };
}
function constant3(value2, type) {
  return { kind: "const", value: value2, type };
}
function i32(value2) {
  return constant3(value2, I32);
}
function variable(name2, type) {
  return { kind: "var", name: name2, type };
}
function builtin(name2) {
  return { kind: "builtin", name: name2, type: I32 };
}
function call(fn, type, ...args) {
  return { kind: "call", fn, args, type };
}
function splat(e) {
  return e.type.width === 4 ? e : { kind: "vector", args: [e], type: widen(e.type, 4) };
}
function gather4(args, of) {
  return { kind: "vector", args, type: { of, width: 4 } };
}
function component(e, at2) {
  if (e.type.width === 1) return e;
  if (e.kind === "vector") return e.args[e.args.length === 1 ? 0 : at2];
  return { kind: "component", of: e, at: at2, type: widen(e.type, 1) };
}
var isConst2 = (e, value2) => e.kind === "const" && e.value === value2;
function addI(a, b) {
  if (a.kind === "const" && b.kind === "const") return i32(a.value + b.value);
  if (b.kind === "const" && b.value < 0) return call("sub", I32, a, i32(-b.value));
  return isConst2(a, 0) ? b : isConst2(b, 0) ? a : call("add", I32, a, b);
}
function mulI(a, b) {
  if (a.kind === "const" && b.kind === "const") return i32(a.value * b.value);
  return isConst2(a, 0) || isConst2(b, 0) ? i32(0) : isConst2(a, 1) ? b : isConst2(b, 1) ? a : call("mul", I32, a, b);
}
function divI(a, b) {
  if (a.kind === "const" && b.kind === "const") return i32(Math.floor(a.value / b.value));
  return isConst2(b, 1) ? a : call("idiv", I32, a, b);
}
function remI(a, b) {
  if (a.kind === "const" && b.kind === "const") return i32(a.value % b.value);
  return isConst2(b, 1) ? i32(0) : call("irem", I32, a, b);
}
function lessThan(a, b) {
  return call("lt", BOOL, a, b);
}
function minI(a, b) {
  return call("min", I32, a, b);
}

// backends/lower/contraction.ts
init_expr();
init_tile();

// backends/lower/points.ts
init_tile();

// backends/lower/inner.ts
init_expr();
init_tile();

// backends/lower/expressions.ts
init_expr();
init_simplify();
var SCALARS = { num: "f32", i32: "i32", bool: "bool" };
var COSTLY = /* @__PURE__ */ new Set([
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "tanh",
  "sigmoid",
  "gelu",
  "gelu_tanh",
  "silu",
  "pow",
  "div"
]);
var SAME = /* @__PURE__ */ new Set([
  "add",
  "sub",
  "mul",
  "neg",
  "and",
  "or",
  "not",
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "tanh",
  "sigmoid",
  "gelu",
  "gelu_tanh",
  "silu",
  "abs",
  "floor",
  "sign",
  "max",
  "min",
  "pow"
]);
var COMPARE = /* @__PURE__ */ new Set(["eq", "ne", "lt", "le", "gt", "ge"]);
var LANE_VALUES = {
  kind: "vector",
  args: [0, 1, 2, 3].map(i32),
  type: { of: "i32", width: 4 }
};
function scalarType(type) {
  return { of: SCALARS[type], width: 1 };
}
function spread(e, width) {
  return width === 4 ? splat(e) : e;
}
function convert(e, of) {
  if (e.type.of === of) return e;
  const type = { of, width: e.type.width };
  if (e.kind === "const")
    return constant3(
      of === "bool" ? Number(e.value !== 0) : of === "i32" ? Math.trunc(e.value) : e.value,
      type
    );
  return of === "bool" ? call("ne", type, e, constant3(0, e.type)) : call("convert", type, e);
}
var Expressions = class {
  builder;
  bindings;
  /** How often the expression that is being translated uses a node. */
  uses = /* @__PURE__ */ new Map();
  constructor(builder, bindings) {
    this.builder = builder;
    this.bindings = bindings;
  }
  /** The value of `e` at the point that the bound axes give; a vector if `e` contains LANE or a tile that is one. */
  evaluate(e) {
    const root = simplify(e);
    const saved = this.uses;
    this.uses = countUses2(root);
    const value2 = this.value(root);
    this.uses = saved;
    return value2;
  }
  /** The same as a value of the type `of`. */
  as(e, of) {
    return convert(this.evaluate(e), of);
  }
  /** Whether `e` is four elements. */
  wide(e) {
    let wide = false;
    walkExpr(e, (node) => {
      if (node.kind === "axis" && node.name === LANE) wide = true;
      if (node.kind === "tile" && this.tile(node.tile).type.width === 4) wide = true;
    });
    return wide;
  }
  /**
   * Writes `value` (scalar, or four elements along LANE) to `target`[index]. `left`: how many of the axis that LANE
   * widens are left from this group's first on, where a group may be cut by the end of its axis.
   */
  store(target, index2, value2, left) {
    const { builder } = this;
    const { index: binding, value: info, name: name2 } = this.bindings.entry(target);
    const element = convert(value2, info.element);
    const offset = this.bindings.offset(target, index2);
    if (!this.wide(offset)) {
      if (element.type.width === 4) throw new Error(`internal: four elements stored to one of ${name2}`);
      builder.emit({ kind: "store", binding, index: this.evaluate(offset), value: element });
      return;
    }
    const group = this.bindings.group(target, offset);
    const whole = group !== void 0 && (left === void 0 || endsInPadding(info, index2));
    if (whole) {
      builder.emit({ kind: "store", binding, index: this.evaluate(group), value: splat(element) });
      return;
    }
    const at2 = group === void 0 ? void 0 : builder.let("at", this.evaluate(group));
    const four = builder.let("value", splat(element));
    const one = (c) => {
      const scalar = component(four, c);
      if (at2 !== void 0) builder.emit({ kind: "store", binding, index: at2, component: c, value: scalar });
      else builder.emit({ kind: "store", binding, index: this.evaluate(place(offset, c)), value: scalar });
    };
    const some2 = (count2) => {
      for (let c = 0; c < count2; c++) {
        if (left === void 0) one(c);
        else builder.if(call("gt", BOOL, left, i32(c)), () => one(c));
      }
    };
    if (at2 === void 0 || left === void 0) {
      some2(4);
      return;
    }
    const all = () => builder.emit({ kind: "store", binding, index: at2, value: four });
    builder.if(call("ge", BOOL, left, i32(4)), all, () => some2(3));
  }
  value(e) {
    switch (e.kind) {
      case "const":
        return constant3(e.value, scalarType(e.type));
      case "axis":
        return e.name === LANE ? LANE_VALUES : this.axis(e.name);
      case "tile":
        return this.tile(e.tile);
      case "load":
        return this.keep(e, this.nameOf(e), () => this.load(e));
      case "apply":
        return this.worthKeeping(e) ? this.keep(e, "v", () => this.apply(e)) : this.apply(e);
      default:
        return e;
    }
  }
  axis(name2) {
    const value2 = this.builder.find((scope) => scope.axes.has(name2))?.axes.get(name2);
    if (value2 === void 0) throw new Error(`internal: axis ${name2} is not bound here`);
    return value2;
  }
  tile(name2) {
    const value2 = this.builder.find((scope) => scope.tiles.has(name2))?.tiles.get(name2);
    if (value2 === void 0) throw new Error(`internal: tile ${name2} is not computed here`);
    return value2;
  }
  worthKeeping(e) {
    const used = (this.uses.get(exprKey(e)) ?? 0) > 1;
    if (e.fn === "where") return used || this.branches(e);
    if (COSTLY.has(e.fn) && e.type === "num") return used || this.home(e) !== this.builder.current;
    return used && (e.type === "num" || children(e).some((child) => child.kind === "apply"));
  }
  /** Where loads would be made in vain: a condition for the whole thread, and a load behind it. */
  branches(e) {
    const [cond, yes, no] = e.args;
    return !this.wide(cond) && [yes, no].some((branch) => loadsOf(branch).some((l) => this.known(l) === void 0));
  }
  known(e) {
    const key = exprKey(e);
    return this.builder.find((scope) => scope.values.has(key))?.values.get(key);
  }
  /** The outermost scope where everything that `e` depends on is known, not beyond a branch; loads may leave guards too. */
  home(e) {
    let depth = 0;
    walkExpr(e, (node) => {
      const scope2 = node.kind === "axis" && node.name !== LANE ? this.builder.find((s) => s.axes.has(node.name)) : node.kind === "tile" ? this.builder.find((s) => s.tiles.has(node.tile)) : void 0;
      if (scope2 !== void 0 && scope2.depth > depth) depth = scope2.depth;
    });
    let scope = this.builder.current;
    const leaves = (kind) => kind === "loop" || kind === "guard" && e.kind === "load";
    while (scope.depth > depth && leaves(scope.kind) && scope.parent !== void 0) scope = scope.parent;
    return scope;
  }
  keep(e, hint, compute) {
    const known = this.known(e);
    if (known !== void 0) return known;
    const home = this.home(e);
    return this.builder.inside(home, () => {
      const value2 = this.builder.let(hint, compute());
      home.values.set(exprKey(e), value2);
      return value2;
    });
  }
  /** A load is called after the last part of its value's name. */
  nameOf(e) {
    const { value: value2 } = this.bindings.entry(e.source);
    const last2 = value2.name.split(/[^A-Za-z0-9_]+/).filter((part) => /[A-Za-z]/.test(part)).at(-1) ?? value2.name;
    return `${last2}_at`;
  }
  load(e) {
    const { index: binding, value: value2 } = this.bindings.entry(e.source);
    const type = { of: value2.element, width: 1 };
    const offset = this.bindings.offset(e.source, e.index);
    const read = (at3) => ({ kind: "load", binding, index: at3, type });
    const typed2 = (raw) => convert(raw, SCALARS[e.type]);
    const at2 = this.bindings.group(e.source, offset);
    if (at2 !== void 0 && !this.wide(at2)) {
      return typed2({ kind: "load", binding, index: this.evaluate(at2), type: widen(type, 4) });
    }
    const still = affineIn(offset, LANE);
    const index2 = still?.coef === 0 ? still.rest : offset;
    if (!this.wide(index2)) return typed2(read(this.evaluate(index2)));
    if (loadsOf(index2).length > 0 || !containsLane(index2)) {
      const places = this.builder.let("place", this.evaluate(index2));
      return typed2(
        gather4(
          [0, 1, 2, 3].map((c) => read(component(places, c))),
          type.of
        )
      );
    }
    return typed2(
      gather4(
        [0, 1, 2, 3].map((c) => read(this.evaluate(place(index2, c)))),
        type.of
      )
    );
  }
  apply(e) {
    if (e.fn === "where" && this.branches(e)) return this.branch(e);
    const args = e.args.map((arg) => this.value(arg));
    const width = args.some((arg) => arg.type.width === 4) ? 4 : 1;
    const of = SCALARS[e.type];
    const type = { of, width };
    const same2 = (to) => args.map((arg) => spread(convert(arg, to), width));
    if (e.fn === "add" || e.fn === "sub" || e.fn === "mul" || e.fn === "div") {
      return call(e.fn, type, ...args.map((arg) => convert(arg, of)));
    }
    if (SAME.has(e.fn)) return call(e.fn, type, ...same2(of));
    if (COMPARE.has(e.fn)) return call(e.fn, type, ...same2(common(e.args)));
    switch (e.fn) {
      case "floordiv":
      case "mod": {
        const plain = of === "i32" && e.args.every((arg) => (bounds(arg)?.lo ?? -1) >= 0);
        const fn = plain ? e.fn === "mod" ? "irem" : "idiv" : e.fn;
        return call(fn, type, ...same2(of));
      }
      case "relu":
        return call("max", type, ...same2(of), spread(constant3(0, { of, width: 1 }), width));
      case "clamp": {
        const [x, lo, hi] = same2(of);
        return call("min", type, call("max", type, x, lo), hi);
      }
      case "where": {
        const [cond, yes, no] = args;
        return call(
          "select",
          type,
          spread(convert(no, of), width),
          spread(convert(yes, of), width),
          spread(cond, width)
        );
      }
      case "to_num":
      case "to_i32":
      case "to_bool":
        return convert(args[0], of);
      default:
        throw new Error(`internal: ${e.fn} has no form in a thread`);
    }
  }
  branch(e) {
    const [cond, yes, no] = e.args;
    const of = SCALARS[e.type];
    const width = this.wide(yes) || this.wide(no) ? 4 : 1;
    const result = this.builder.var("v", { of, width });
    this.builder.if(
      this.value(cond),
      () => this.builder.assign(result, spread(convert(this.value(yes), of), width)),
      () => this.builder.assign(result, spread(convert(this.value(no), of), width))
    );
    return result;
  }
};
function endsInPadding(value2, index2) {
  const extent2 = value2.shape.at(-1);
  const last2 = index2.at(-1);
  if (typeof extent2 !== "number" || last2 === void 0 || index2.slice(0, -1).some(containsLane)) return false;
  const form = affineIn(simplify(last2), LANE);
  const groups2 = form === void 0 ? void 0 : affineGroups(form.rest);
  return (value2.strides.at(-2) ?? 0) >= Math.ceil(extent2 / 4) * 4 && groups2 === Math.ceil(extent2 / 4);
}
function affineGroups(e) {
  const [axis2] = axesOf(e).values();
  if (axis2 === void 0 || typeof axis2.extent !== "number") return void 0;
  return sameExpr(e, simplify(mul(axis2, int(4)))) ? axis2.extent : void 0;
}
function place(e, c) {
  return simplify(substitute(e, /* @__PURE__ */ new Map([[LANE, int(c)]])));
}
function containsLane(e) {
  let found = false;
  walkExpr(e, (node) => {
    if (node.kind === "axis" && node.name === LANE) found = true;
  });
  return found;
}
function common(args) {
  if (args.some((arg) => arg.type === "num")) return "f32";
  return args.some((arg) => arg.type === "i32") ? "i32" : "bool";
}
function countUses2(root) {
  const uses = /* @__PURE__ */ new Map();
  const seen = /* @__PURE__ */ new Set();
  walkExpr(root, (node) => {
    const key = exprKey(node);
    if (seen.has(key)) return;
    seen.add(key);
    for (const child of children(node)) uses.set(exprKey(child), (uses.get(exprKey(child)) ?? 0) + 1);
  });
  return uses;
}

// backends/lower/inner.ts
var UNROLLED = 8;
var FOLDS = {
  sum: { two: "add", four: "sum4" },
  max: { two: "max", four: "max4" },
  min: { two: "min", four: "min4" }
};
function foldTwo(fn, a, b) {
  return call(FOLDS[fn].two, widen(a.type, Math.max(a.type.width, b.type.width) === 4 ? 4 : 1), a, b);
}
function identityOf(fn, type) {
  const least = type.of === "f32" ? Number.NEGATIVE_INFINITY : -2147483647;
  const value2 = fn === "sum" ? 0 : fn === "max" ? least : -least;
  return spread(constant3(value2, widen(type, 1)), type.width);
}
function runtimeBound(builder, hint, n) {
  const root = builder.find((scope) => scope.parent === void 0);
  const key = `#bound ${n}`;
  const known = root.values.get(key);
  if (known !== void 0) return known;
  const value2 = builder.inside(root, () => builder.let(hint, mulI(builtin("call.one"), i32(n))));
  root.values.set(key, value2);
  return value2;
}
var Inner = class {
  builder;
  expressions;
  team;
  point;
  axes;
  /** Whether an inner axis is handled four at a time. */
  widths = /* @__PURE__ */ new Map();
  /** `vector` asks for four elements at a time where that turns a load or a store into a vector's. */
  constructor(builder, expressions, bindings, kernel, team, vector) {
    this.builder = builder;
    this.expressions = expressions;
    this.team = team;
    this.point = builder.current;
    this.axes = new Map(kernel.inner.map((inner) => [inner.name, inner]));
    for (const inner of kernel.inner) {
      const gains = kernel.body.some(
        (s) => accessesOf(s).some((access) => bindings.widens(access, inner.name, inner.extent))
      );
      this.widths.set(inner.name, vector && inner.extent % 4 === 0 && gains ? 4 : 1);
    }
  }
  /** Computes reductions over the same axes in one sweep and binds their tiles. `rewrite` prepares each value. */
  reduce(group, over, rewrite2 = (e) => e) {
    const sweep = this.plan(over);
    if (sweep.unrolled) {
      const turns = this.turns(sweep);
      for (const statement of group) this.reduceTurns(statement, sweep, turns, rewrite2);
      return;
    }
    const running = group.map((statement) => this.start(statement, sweep, rewrite2));
    this.loop(sweep, (turn2) => {
      for (const r of running) r.update(turn2);
    });
    for (const r of running) r.finish();
  }
  /** Runs `body` for every element, or group of four, that this lane owns. */
  each(over, body) {
    const sweep = this.plan(over);
    if (!sweep.unrolled) {
      this.loop(sweep, (turn2) => body(turn2.rewrite));
      return;
    }
    for (const turn2 of this.turns(sweep)) {
      if (turn2.valid === void 0) body(turn2.rewrite);
      else this.builder.if(turn2.valid, () => body(turn2.rewrite));
    }
  }
  plan(over) {
    const axes = over.map((name2) => {
      const inner = this.axes.get(name2);
      if (inner === void 0) throw new Error(`internal: ${name2} is no inner axis`);
      return inner;
    });
    const { lanes } = this.team;
    const last2 = axes.at(-1);
    if (last2 === void 0) throw new Error("internal: a sweep over no axes");
    const longest = axes.reduce((best, a) => a.extent > best.extent ? a : best, last2);
    const dealt = last2.extent >= lanes ? last2 : longest;
    const width = this.widths.get(dealt.name) ?? 1;
    const groups2 = dealt.extent / width;
    const turns = Math.ceil(groups2 / lanes);
    const outer = axes.filter((a) => a !== dealt);
    return { outer, dealt, width, groups: groups2, turns, unrolled: turns <= UNROLLED && outer.length === 0 };
  }
  turns(sweep) {
    const { dealt, width, groups: groups2, turns } = sweep;
    const { lanes, lane } = this.team;
    return Array.from({ length: turns }, (_, j) => {
      const ragged = (j + 1) * lanes > groups2;
      const name2 = `${width === 4 ? groupAxis(dealt.name) : dealt.name}@${j}`;
      const at2 = addI(lane, i32(j * lanes));
      const valid = ragged ? lessThan(at2, i32(groups2)) : void 0;
      if (!this.point.axes.has(name2)) {
        const hint = `${dealt.name}${width === 4 ? "4" : ""}${turns > 1 ? `_${j}` : ""}`;
        this.builder.inside(this.point, () => {
          const index2 = this.builder.let(hint, ragged ? minI(at2, i32(groups2 - 1)) : at2);
          this.builder.bindAxis(name2, index2);
        });
      }
      return { rewrite: this.writing(dealt, name2, width), valid };
    });
  }
  writing(inner, name2, width) {
    const by = /* @__PURE__ */ new Map([
      [inner.name, width === 4 ? quadruple(inner.extent, name2) : axis(name2, inner.extent)]
    ]);
    return (e) => substitute(e, by);
  }
  loop(sweep, body) {
    const { builder } = this;
    const nest = (rest2) => {
      const [first2, ...others] = rest2;
      if (first2 === void 0) {
        const { dealt, width, groups: groups2 } = sweep;
        const name2 = width === 4 ? groupAxis(dealt.name) : dealt.name;
        const hint = width === 4 ? `${dealt.name}4` : dealt.name;
        builder.for(
          hint,
          this.team.lane,
          runtimeBound(builder, `${hint}_end`, groups2),
          i32(this.team.lanes),
          (index2) => {
            builder.bindAxis(name2, index2);
            body({ rewrite: this.writing(dealt, name2, width), valid: void 0 });
          }
        );
        return;
      }
      builder.for(
        first2.name,
        i32(0),
        runtimeBound(builder, `${first2.name}_end`, first2.extent),
        i32(1),
        (index2) => {
          builder.bindAxis(first2.name, index2);
          nest(others);
        }
      );
    };
    nest(sweep.outer);
  }
  fold(fn, value2, sweep) {
    const scalar = sweep.width === 4 ? call(FOLDS[fn].four, widen(value2.type, 1), splat(value2)) : value2;
    return this.team.combine(fn, scalar);
  }
  reduceTurns(statement, sweep, turns, rewrite2) {
    const { builder, expressions } = this;
    const of = scalarType(summand(statement).type);
    const fn = statement.kind === "reduce" ? statement.fn : "sum";
    const values = turns.map(({ rewrite: turn2, valid }) => ({
      value: spread(expressions.as(turn2(rewrite2(summand(statement))), of.of), sweep.width),
      valid
    }));
    const masked = ({ value: value2, valid }) => valid === void 0 ? value2 : call("select", value2.type, identityOf(fn, value2.type), value2, spread(valid, value2.type.width));
    if (statement.kind !== "moments") {
      const all = values.map(masked).reduce((a, b) => foldTwo(fn, a, b));
      builder.bindTile(statement.out, builder.let(statement.out, this.fold(fn, all, sweep)));
      return;
    }
    const count2 = constant3(sweep.dealt.extent, F32);
    const named = values.map(({ value: value2, valid }) => ({ value: builder.let("x", value2), valid }));
    const total = this.fold(
      "sum",
      named.map(masked).reduce((a, b) => foldTwo("sum", a, b)),
      sweep
    );
    const mean = builder.let(statement.mean, call("div", total.type, total, spread(count2, total.type.width)));
    const squares = named.map(({ value: value2, valid }) => {
      const away = builder.let("away", call("sub", value2.type, value2, spread(mean, value2.type.width)));
      return masked({ value: call("mul", value2.type, away, away), valid });
    });
    const m2 = builder.let(
      statement.m2,
      this.fold(
        "sum",
        squares.reduce((a, b) => foldTwo("sum", a, b)),
        sweep
      )
    );
    builder.bindTile(statement.mean, mean);
    builder.bindTile(statement.m2, m2);
  }
  start(statement, sweep, rewrite2) {
    const { builder, expressions } = this;
    const value2 = rewrite2(summand(statement));
    const of = scalarType(value2.type);
    const type = widen(of, sweep.width === 4 || expressions.wide(value2) ? 4 : 1);
    const at2 = (turn2) => spread(expressions.as(turn2.rewrite(value2), of.of), type.width);
    if (statement.kind === "moments") return this.startMoments(statement, sweep, type, at2);
    const fn = statement.kind === "reduce" ? statement.fn : "sum";
    const running = builder.var(statement.out, type, identityOf(fn, type));
    return {
      update: (turn2) => {
        if (fn === "sum") builder.accumulate(running, at2(turn2));
        else builder.assign(running, foldTwo(fn, running, at2(turn2)));
      },
      finish: () => {
        const folded = this.fold(fn, running, sweep);
        builder.bindTile(
          statement.out,
          folded === running ? running : builder.let(`${statement.out}_all`, folded)
        );
      }
    };
  }
  startMoments(statement, sweep, type, at2) {
    const { builder } = this;
    const count2 = builder.var("count", F32);
    const mean = builder.var(statement.mean, type);
    const m2 = builder.var(statement.m2, type);
    return {
      update: (turn2) => {
        const x = builder.let("x", at2(turn2));
        const away = builder.let("away", call("sub", type, x, mean));
        builder.accumulate(count2, constant3(1, F32));
        builder.accumulate(mean, call("mul", type, away, call("div", F32, constant3(1, F32), count2)));
        builder.accumulate(m2, call("mul", type, away, call("sub", type, x, mean)));
      },
      finish: () => {
        if (this.team.lanes === 1 && sweep.width === 1) {
          builder.bindTile(statement.mean, mean);
          builder.bindTile(statement.m2, m2);
          return;
        }
        const n = constant3(
          [...sweep.outer, sweep.dealt].reduce((product4, a) => product4 * a.extent, 1),
          F32
        );
        const sum = this.fold("sum", call("mul", type, mean, count2), sweep);
        const all = builder.let(`${statement.mean}_all`, call("div", F32, sum, n));
        const away = builder.let("away", call("sub", type, mean, spread(all, type.width)));
        const square = call("mul", type, call("mul", type, away, away), count2);
        const rest2 = this.fold("sum", call("add", type, m2, square), sweep);
        builder.bindTile(statement.mean, all);
        builder.bindTile(statement.m2, builder.let(`${statement.m2}_all`, rest2));
      }
    };
  }
};
function summand(statement) {
  return statement.kind === "dot" ? mul(statement.a, statement.b) : statement.value;
}
function axesReduced(statement) {
  return statement.kind === "dot" ? [statement.k] : statement.over;
}
function accessesOf(statement) {
  const loads = expressionsOf(statement).flatMap(loadsOf);
  return statement.kind === "store" ? [...loads, { source: statement.target, index: statement.index }] : loads;
}
function tileValue(expressions, e) {
  return convert(expressions.evaluate(e), scalarType(e.type).of);
}

// backends/lower/points.ts
function runPoint(builder, expressions, inner, body, options) {
  const { rewrite: rewrite2 } = options;
  for (const part of groups(body)) {
    if (Array.isArray(part)) {
      const first2 = part[0];
      inner.reduce(part, axesReduced(first2), rewrite2);
      continue;
    }
    const statement = part;
    if (statement.kind === "let") {
      builder.bindTile(
        statement.out,
        builder.let(statement.out, tileValue(expressions, rewrite2(statement.value)))
      );
      continue;
    }
    const write = (turn2) => {
      const value2 = tileValue(expressions, turn2(rewrite2(statement.value)));
      const index2 = statement.index.map((e) => turn2(rewrite2(e)));
      expressions.store(statement.target, index2, value2, options.left);
    };
    if (statement.over.length === 0) options.once(() => write((e) => e));
    else options.inside(() => inner.each(statement.over, write));
  }
}
function groups(body) {
  const parts = [];
  for (const statement of body) {
    if (statement.kind === "score")
      throw new Error("internal: a score product is not computed point by point");
    if (statement.kind === "let" || statement.kind === "store") {
      parts.push(statement);
      continue;
    }
    const last2 = parts.at(-1);
    const joins = Array.isArray(last2) && axesReduced(last2[0]).join() === axesReduced(statement).join() && !last2.some((earlier) => outputsOf(earlier).some((tile2) => usesTile(statement, tile2)));
    if (joins) last2.push(statement);
    else parts.push([statement]);
  }
  return parts;
}
function outputsOf(statement) {
  return statement.kind === "moments" ? [statement.mean, statement.m2] : statement.kind === "store" ? [] : [statement.out];
}
function usesTile(statement, tile2) {
  return expressionsOf(statement).some((e) => mentions(e, tile2));
}
function mentions(e, tile2) {
  if (e.kind === "tile") return e.tile === tile2;
  const parts = e.kind === "apply" ? e.args : e.kind === "load" ? e.index : [];
  return parts.some((part) => mentions(part, tile2));
}
function bindPoint(builder, tiles, local, vector, clamp) {
  const conditions2 = [];
  let rest2 = local;
  const last2 = tiles.length - 1;
  for (let i = last2; i >= 0; i--) {
    const { axis: axis2, origin, end, exact } = tiles[i];
    const four = i === last2 && vector === 4;
    const size = four ? axis2.tile / 4 : axis2.tile;
    const outermost = tiles.slice(0, i).every((t) => t.axis.tile === 1);
    const step = size === 1 ? i32(0) : outermost ? rest2 : remI(rest2, i32(size));
    if (size !== 1 && !outermost) rest2 = divI(rest2, i32(size));
    const base = four ? divI(origin, i32(4)) : origin;
    const limit = four ? divI(addI(end, i32(3)), i32(4)) : end;
    let index2 = addI(base, step);
    if (!exact) {
      index2 = builder.let(four ? `${axis2.name}4` : axis2.name, index2);
      conditions2.push(lessThan(index2, limit));
      if (clamp) index2 = minI(index2, call("sub", limit.type, limit, i32(1)));
    }
    builder.bindAxis(
      four ? groupAxis(axis2.name) : axis2.name,
      builder.let(four ? `${axis2.name}4` : axis2.name, index2)
    );
  }
  return conditions2;
}
function pointsOf(kernel) {
  return kernel.grid.reduce((product4, axis2) => product4 * axis2.tile, 1);
}
function both(conditions2) {
  return conditions2.length === 0 ? void 0 : conditions2.reduce((a, b) => call("and", { of: "bool", width: 1 }, a, b));
}
function guarded(builder, condition, body) {
  if (condition === void 0) body();
  else builder.if(condition, body);
}

// backends/lower/contraction.ts
function productOf(kernel) {
  const dots = kernel.body.filter((s) => s.kind === "dot");
  const [first2] = dots;
  if (first2 === void 0 || dots.some((d) => d.m !== first2.m || d.n !== first2.n)) {
    throw new Error(`internal: ${kernel.name} has no common (m, n) for its products`);
  }
  const axis2 = (name2) => {
    const found = kernel.grid.find((a) => a.name === name2);
    if (found === void 0) throw new Error(`internal: ${kernel.name} has no grid axis ${name2}`);
    return found;
  };
  const tiles = /* @__PURE__ */ new Map();
  const product4 = { m: axis2(first2.m), n: axis2(first2.n), tiles };
  for (const statement of kernel.body) {
    const varies = statement.kind === "dot" ? { m: true, n: true } : variesOf(statement, product4);
    for (const out of outputsOf(statement)) tiles.set(out, varies);
  }
  return product4;
}
function variesOf(statement, { m, n, tiles }) {
  const varies = { m: false, n: false };
  for (const e of expressionsOf(statement)) {
    walkExpr(e, (node) => {
      if (node.kind === "axis") {
        varies.m ||= node.name === m.name;
        varies.n ||= node.name === n.name;
      } else if (node.kind === "tile") {
        varies.m ||= tiles.get(node.tile)?.m ?? false;
        varies.n ||= tiles.get(node.tile)?.n ?? false;
      }
    });
  }
  return varies;
}
function innerAxis(kernel, name2) {
  const found = kernel.inner.find((a) => a.name === name2);
  if (found === void 0) throw new Error(`internal: ${kernel.name} has no inner axis ${name2}`);
  return found;
}
function phases(body) {
  const parts = [];
  for (const statement of body) {
    if (statement.kind === "score") throw new Error("internal: a score product has a lowering of its own");
    if (statement.kind !== "dot") {
      parts.push(statement);
      continue;
    }
    const last2 = parts.at(-1);
    if (Array.isArray(last2) && last2[0]?.k === statement.k) last2.push(statement);
    else parts.push([statement]);
  }
  return parts;
}
function renamed(e, axes, tiles) {
  return mapExpr(
    substitute(e, axes),
    (node) => node.kind === "tile" ? tile(tiles(node.tile), node.type) : node
  );
}

// backends/lower/grid.ts
function extentOf3(extent2) {
  return typeof extent2 === "number" ? i32(extent2) : mulI(builtin("call.rows"), i32(extent2.times));
}
function openGrid(builder, kernel, bindings) {
  const axes = kernel.grid.map((axis2) => {
    if (axis2.rows) return openRows(builder, bindings, axis2, axis2.rows);
    const sliced = kernel.slicing?.axis === axis2.name;
    const from = sliced ? builtin("call.from") : i32(0);
    const end = builder.let(`${axis2.name}_end`, sliced ? builtin("call.to") : extentOf3(axis2.extent));
    const length2 = sliced ? call("sub", end.type, end, from) : end;
    const whole = typeof axis2.extent === "number" && axis2.extent % axis2.tile === 0;
    const tiles = axis2.tile === 1 ? length2 : builder.let(`${axis2.name}_tiles`, divI(addI(length2, i32(axis2.tile - 1)), i32(axis2.tile)));
    return { axis: axis2, from, end, tiles, exact: axis2.tile === 1 || whole && !sliced, aligned: !sliced };
  });
  builder.bindAxis(SLICE_FROM, builtin("call.from"));
  const total = axes.reduce((product4, { tiles }) => mulI(product4, tiles), i32(1));
  leaveIf(builder, call("ge", BOOL, builtin("workgroup"), total));
  let rest2 = builtin("workgroup");
  const decoded = axes.map((entry2) => entry2).reverse().map((entry2, i) => {
    const outermost = i === axes.length - 1;
    const index2 = outermost ? rest2 : remI(rest2, entry2.tiles);
    if (!outermost && !(entry2.tiles.kind === "const" && entry2.tiles.value === 1)) {
      rest2 = divI(rest2, entry2.tiles);
    }
    const { axis: axis2, end, exact, aligned } = entry2;
    if (axis2.rows?.group) return tileOfList(builder, bindings, kernel, entry2, axis2.rows, index2);
    const origin = addI(entry2.from, mulI(index2, i32(axis2.tile)));
    const hint = axis2.tile === 1 ? axis2.name : `${axis2.name}0`;
    return { axis: axis2, origin: builder.let(hint, origin), end, exact, aligned };
  });
  return decoded.reverse();
}
function leaveIf(builder, cond) {
  builder.emit({ kind: "if", cond, body: [{ kind: "return" }] });
}
function tableWord(bindings, table, at2) {
  return { kind: "load", binding: bindings.entry(table).index, index: at2, type: I32 };
}
function openRows(builder, bindings, axis2, rows) {
  const opened = { axis: axis2, from: i32(0), exact: axis2.tile === 1, aligned: true };
  if (rows.group) {
    const tiles2 = builder.let(`${axis2.name}_tiles`, tableWord(bindings, rows.tiles, i32(1)));
    return { ...opened, end: tiles2, tiles: tiles2 };
  }
  const end = builder.let(
    `${axis2.name}_end`,
    mulI(tableWord(bindings, rows.tiles, i32(0)), i32(rows.times))
  );
  const tiles = axis2.tile === 1 ? end : builder.let(`${axis2.name}_tiles`, divI(addI(end, i32(axis2.tile - 1)), i32(axis2.tile)));
  return { ...opened, end, tiles };
}
function tileOfList(builder, bindings, { slicing }, { axis: axis2, exact, aligned }, { tiles, group = [] }, index2) {
  const record = builder.let("tile_record", mulI(addI(index2, i32(1)), i32(4)));
  const word3 = (hint, at2) => builder.let(hint, tableWord(bindings, tiles, addI(record, i32(at2))));
  let rest2 = word3("tile_group", 0);
  group.toReversed().forEach(({ name: name2, extent: extent2 }, i) => {
    const outermost = i === group.length - 1;
    const digit = builder.let(name2, outermost ? rest2 : remI(rest2, i32(extent2)));
    if (!outermost) rest2 = divI(rest2, i32(extent2));
    builder.bindAxis(name2, digit);
    if (slicing?.axis !== name2) return;
    const before = lessThan(digit, builtin("call.from"));
    leaveIf(builder, call("or", BOOL, before, call("ge", BOOL, digit, builtin("call.to"))));
  });
  return { axis: axis2, origin: word3(`${axis2.name}0`, 1), end: word3(`${axis2.name}_end`, 2), exact, aligned };
}

// backends/lower/blocked.ts
var UNROLLED2 = 4;
function lowerBlocked(kernel, lowering, builder, bindings, shared) {
  new BlockedProduct(kernel, lowering, builder, bindings, shared).lower();
  return lowering.threadsM * lowering.threadsN;
}
var BlockedProduct = class {
  kernel;
  l;
  builder;
  bindings;
  shared;
  expressions;
  product;
  m;
  n;
  threads;
  /** Columns handled at once. */
  width;
  threadM;
  threadN;
  /** Workgroup memory of the tiles that belong to rows or columns. */
  arrays = /* @__PURE__ */ new Map();
  constructor(kernel, l, builder, bindings, shared) {
    this.kernel = kernel;
    this.l = l;
    this.builder = builder;
    this.bindings = bindings;
    this.shared = shared;
    this.product = productOf(kernel);
    const { m, n } = this.product;
    this.threads = l.threadsM * l.threadsN;
    const odd = kernel.grid.find(
      (a) => a.tile !== (a === m ? l.threadsM * l.registersM : a === n ? l.threadsN * l.registersN : 1)
    );
    if (odd !== void 0)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis: a, origin } of grid) if (a !== m && a !== n) builder.bindAxis(a.name, origin);
    this.m = grid.find((t) => t.axis === m);
    this.n = grid.find((t) => t.axis === n);
    this.width = l.registersN % 4 === 0 && this.n.aligned ? 4 : 1;
    this.threadM = builder.let("row", divI(builtin("thread"), i32(l.threadsN)));
    this.threadN = builder.let("column", remI(builtin("thread"), i32(l.threadsN)));
    this.expressions = new Expressions(builder, bindings);
  }
  lower() {
    for (const phase of phases(this.kernel.body)) {
      if (!("kind" in phase)) this.multiply(phase);
      else if (phase.kind === "store") this.store(phase);
      else this.compute(phase);
    }
  }
  /** Columns (or groups of four) that a thread owns, and that the tile has. */
  get ownColumns() {
    return this.l.registersN / this.width;
  }
  get tileColumns() {
    return this.l.threadsN * this.ownColumns;
  }
  multiply(dots) {
    const { builder, l } = this;
    const [first2] = dots;
    const k = innerAxis(this.kernel, first2.k);
    const rows = l.threadsM * l.registersM;
    const columnType = widen(F32, this.width);
    const acc = dots.map((dot2) => this.each((r, c) => builder.var(`${dot2.out}_${r}_${c}`, columnType)));
    const operands = /* @__PURE__ */ new Map();
    const operand = (side2, e) => {
      const key = `${side2} ${exprKey(e)}`;
      const known = operands.get(key);
      if (known !== void 0) return known.array;
      const array = builder.name(`${side2}_tile`);
      this.shared.push(
        side2 === "a" ? { name: array, type: F32, count: k.step * rows } : { name: array, type: columnType, count: k.step * this.tileColumns }
      );
      operands.set(key, {
        array,
        stage: (block) => side2 === "a" ? this.stageA(array, e, k, block) : this.stageB(array, e, k, block)
      });
      return array;
    };
    const arrays = dots.map((dot2) => ({ a: operand("a", dot2.a), b: operand("b", dot2.b) }));
    const blocks = runtimeBound(builder, `${k.name}_blocks`, Math.ceil(k.extent / k.step));
    const stepEnd = runtimeBound(builder, `${k.name}_step`, k.step);
    builder.for("block", i32(0), blocks, i32(1), (block) => {
      for (const { stage } of operands.values()) stage(block);
      builder.emit({ kind: "barrier" });
      builder.for(k.name, i32(0), stepEnd, i32(1), (at2) => {
        const cache = /* @__PURE__ */ new Map();
        const read = (array, type, index2, name2) => {
          const key = `${array} ${name2}`;
          const known = cache.get(key) ?? builder.let(name2, { kind: "shared", array, index: index2, type });
          cache.set(key, known);
          return known;
        };
        const rowStart = addI(mulI(at2, i32(rows)), mulI(this.threadM, i32(l.registersM)));
        const columnStart = addI(mulI(at2, i32(this.tileColumns)), this.threadN);
        dots.forEach((_, d) => {
          const { a, b } = arrays[d];
          const as2 = Array.from(
            { length: l.registersM },
            (_2, r) => read(a, F32, addI(rowStart, i32(r)), `a${r}`)
          );
          const bs = Array.from(
            { length: this.ownColumns },
            (_2, c) => read(b, columnType, addI(columnStart, i32(c * l.threadsN)), `b${c}`)
          );
          acc[d]?.forEach(({ r, c, value: value2 }) => {
            builder.accumulate(
              value2,
              call("mul", columnType, as2[r], bs[c])
            );
          });
        });
      });
      builder.emit({ kind: "barrier" });
    });
    dots.forEach((dot2, d) => {
      for (const { r, c, value: value2 } of acc[d] ?? []) builder.bindTile(`${dot2.out}@${r},${c}`, value2);
    });
  }
  /** Deals `count` shares to the threads. */
  share(count2, body) {
    const { builder, threads } = this;
    const turns = Math.ceil(count2 / threads);
    const guarded2 = (index2, last2, suffix) => {
      if (last2 && count2 % threads !== 0) builder.if(lessThan(index2, i32(count2)), () => body(index2, suffix));
      else body(index2, suffix);
    };
    if (turns <= UNROLLED2) {
      for (let i = 0; i < turns; i++)
        guarded2(addI(builtin("thread"), i32(i * threads)), i === turns - 1, `${i}`);
      return;
    }
    builder.for(
      "share",
      builtin("thread"),
      runtimeBound(builder, "shares", count2),
      i32(threads),
      (index2) => body(index2, "")
    );
  }
  stageA(array, e, k, block) {
    const { builder } = this;
    const rows = this.l.threadsM * this.l.registersM;
    const width = k.step % 4 === 0 ? 4 : 1;
    const perRow = k.step / width;
    this.share(rows * perRow, (index2, suffix) => {
      const row = builder.let("at_row", divI(index2, i32(perRow)));
      const part = builder.let(`at_${k.name}`, remI(index2, i32(perRow)));
      const group = builder.let(width === 4 ? `${k.name}4` : k.name, addI(mulI(block, i32(perRow)), part));
      const place3 = { name: `stage${suffix}`, m: this.bindM(`stage${suffix}`, row), row };
      const name2 = `${width === 4 ? groupAxis(k.name) : k.name}@${suffix}`;
      builder.bindAxis(
        name2,
        k.extent % k.step === 0 ? group : minI(group, i32(Math.ceil(k.extent / width) - 1))
      );
      const written = width === 4 ? quadruple(k.extent, name2) : axis(name2, k.extent);
      this.bindTiles(place3);
      const raw = spread(this.expressions.as(this.at(e, place3, /* @__PURE__ */ new Map([[k.name, written]])), "f32"), width);
      const value2 = builder.let("a", this.within(raw, group, k, width));
      for (let c = 0; c < width; c++) {
        const to = addI(mulI(addI(mulI(part, i32(width)), i32(c)), i32(rows)), row);
        builder.emit({ kind: "store_shared", array, index: to, value: component(value2, c) });
      }
    });
  }
  stageB(array, e, k, block) {
    const { builder } = this;
    this.share(k.step * this.tileColumns, (index2, suffix) => {
      const column = builder.let("at_column", remI(index2, i32(this.tileColumns)));
      const at2 = builder.let(k.name, addI(mulI(block, i32(k.step)), divI(index2, i32(this.tileColumns))));
      const place3 = { name: `stage${suffix}`, n: this.bindN(`stage${suffix}`, column), column };
      const name2 = `${k.name}@${suffix}`;
      builder.bindAxis(name2, k.extent % k.step === 0 ? at2 : minI(at2, i32(k.extent - 1)));
      this.bindTiles(place3);
      const raw = spread(
        this.expressions.as(this.at(e, place3, /* @__PURE__ */ new Map([[k.name, axis(name2, k.extent)]])), "f32"),
        this.width
      );
      builder.emit({ kind: "store_shared", array, index: index2, value: this.within(raw, at2, k, 1) });
    });
  }
  /** Zero where k has run over its end; a group is cut in the middle where it must be. */
  within(value2, index2, k, width) {
    if (k.extent % k.step === 0) return value2;
    const zero = spread(constant3(0, F32), value2.type.width);
    if (width === 1 || k.extent % 4 === 0) {
      return call(
        "select",
        value2.type,
        zero,
        value2,
        spread(lessThan(index2, i32(k.extent / width)), value2.type.width)
      );
    }
    const places = gather4(
      [0, 1, 2, 3].map((c) => addI(mulI(index2, i32(4)), i32(c))),
      "i32"
    );
    return call(
      "select",
      value2.type,
      zero,
      value2,
      call("lt", { of: "bool", width: 4 }, places, splat(i32(k.extent)))
    );
  }
  compute(statement) {
    const varies = this.product.tiles.get(outputsOf(statement)[0] ?? "") ?? { m: true, n: true };
    if (varies.m && varies.n) {
      for (const { r, c } of this.each(() => void 0)) {
        const place3 = this.accumulator(r, c);
        this.bindTiles(place3);
        this.evaluate(statement, place3, (out) => `${out}@${r},${c}`);
      }
      return;
    }
    if (!varies.m && !varies.n) {
      this.evaluate(statement, { name: "all" }, (out) => out);
      return;
    }
    const { builder } = this;
    const side2 = varies.m ? this.m : this.n;
    const count2 = side2.axis.tile;
    const type = scalarType(statement.value.type);
    const arrays = outputsOf(statement).map((out) => ({ out, array: this.memoryOf(out, type, count2) }));
    const one = (index2, suffix) => {
      const name2 = `own${suffix}`;
      const place3 = varies.m ? { name: name2, m: this.bindM(name2, index2), row: index2 } : { name: name2, n: this.bindColumn(name2, index2), column: index2 };
      this.bindTiles(place3);
      this.evaluate(statement, place3, (out) => `${out}@${name2}`, varies.n);
      for (const { out, array } of arrays) {
        const value2 = builder.current.tiles.get(`${out}@${name2}`);
        if (value2 === void 0) throw new Error(`internal: ${out} was not computed`);
        builder.emit({ kind: "store_shared", array, index: index2, value: value2 });
      }
    };
    builder.for(
      "own",
      builtin("thread"),
      runtimeBound(builder, `${side2.axis.name}_own`, count2),
      i32(this.threads),
      (index2) => one(index2, "")
    );
    builder.emit({ kind: "barrier" });
  }
  evaluate(statement, place3, nameOf2, scalarColumn = false) {
    const { builder } = this;
    const rewrite2 = (e) => this.at(e, place3, /* @__PURE__ */ new Map(), scalarColumn);
    if (statement.kind === "let") {
      const name2 = nameOf2(statement.out);
      builder.bindTile(name2, builder.let(name2, tileValue(this.expressions, rewrite2(statement.value))));
      return;
    }
    const alone = { lanes: 1, lane: i32(0), combine: (_, value2) => value2 };
    const vector = place3.n === void 0 || scalarColumn;
    const inner = new Inner(builder, this.expressions, this.bindings, this.kernel, alone, vector);
    const named = statement.kind === "moments" ? { ...statement, mean: nameOf2(statement.mean), m2: nameOf2(statement.m2) } : { ...statement, out: nameOf2(statement.out) };
    inner.reduce([named], statement.over, rewrite2);
  }
  store(statement) {
    const { builder, expressions, m, n } = this;
    const varies = variesOf(statement, this.product);
    const cells = this.each(() => void 0).filter(
      ({ r, c }) => (varies.m || r === 0) && (varies.n || c === 0)
    );
    for (const { r, c } of cells) {
      const place3 = this.accumulator(r, c);
      const conditions2 = [];
      const row = addI(m.origin, place3.row);
      const column = addI(n.origin, mulI(place3.column, i32(this.width)));
      if (varies.m && !m.exact) conditions2.push(lessThan(row, m.end));
      if (varies.n && !n.exact) conditions2.push(lessThan(column, n.end));
      if (!varies.m) conditions2.push(call("eq", BOOL, this.threadM, i32(0)));
      if (!varies.n) conditions2.push(call("eq", BOOL, column, n.aligned ? i32(0) : builtin("call.from")));
      const body = () => {
        this.bindTiles(place3);
        const ragged = varies.n && this.width === 4 && !multipleOfFour(n.axis);
        const left = ragged ? builder.let(`${n.axis.name}_left`, call("sub", n.end.type, n.end, column)) : void 0;
        const write = (turn2) => {
          const value2 = tileValue(expressions, turn2(this.at(statement.value, place3)));
          expressions.store(
            statement.target,
            statement.index.map((e) => turn2(this.at(e, place3))),
            value2,
            left
          );
        };
        if (statement.over.length === 0) write((e) => e);
        else {
          const alone = { lanes: 1, lane: i32(0), combine: (_, value2) => value2 };
          new Inner(builder, expressions, this.bindings, this.kernel, alone, false).each(
            statement.over,
            write
          );
        }
      };
      const condition = conditions2.reduce(
        (a, b) => a === void 0 ? b : call("and", BOOL, a, b),
        void 0
      );
      if (condition === void 0) body();
      else builder.guard(condition, body);
    }
  }
  /** Every accumulator of a thread. */
  each(make2) {
    return Array.from({ length: this.l.registersM * this.ownColumns }, (_, i) => {
      const [r, c] = [Math.floor(i / this.ownColumns), i % this.ownColumns];
      return { r, c, value: make2(r, c) };
    });
  }
  accumulator(r, c) {
    const row = addI(mulI(this.threadM, i32(this.l.registersM)), i32(r));
    const column = addI(this.threadN, i32(c * this.l.threadsN));
    return {
      name: `${r},${c}`,
      m: this.bindM(`row${r}`, row),
      n: this.bindN(`column${c}`, column),
      row,
      column
    };
  }
  bindM(suffix, row) {
    const name2 = `${this.m.axis.name}@${suffix}`;
    const { origin, end, exact } = this.m;
    return this.bindOnce(name2, `${this.m.axis.name}_${suffix}`, () => {
      const index2 = addI(origin, row);
      return exact ? index2 : minI(index2, addI(end, i32(-1)));
    });
  }
  /** The column, or group of four columns, number `column` of the tile. */
  bindN(suffix, column) {
    if (this.width === 1) return this.bindColumn(suffix, column);
    const { origin, end, exact, axis: n } = this.n;
    return this.bindOnce(`${groupAxis(n.name)}@${suffix}`, `${n.name}4_${suffix}`, () => {
      const index2 = addI(divI(origin, i32(4)), column);
      return exact ? index2 : minI(index2, addI(divI(addI(end, i32(3)), i32(4)), i32(-1)));
    });
  }
  bindColumn(suffix, column) {
    const { origin, end, exact, axis: n } = this.n;
    return this.bindOnce(`${n.name}@${suffix}`, `${n.name}_${suffix}`, () => {
      const index2 = addI(origin, column);
      return exact ? index2 : minI(index2, addI(end, i32(-1)));
    });
  }
  bindOnce(name2, hint, index2) {
    if (this.builder.find((s) => s.axes.has(name2)) === void 0) {
      this.builder.bindAxis(name2, this.builder.let(hint, index2()));
    }
    return name2;
  }
  memoryOf(out, type, count2) {
    const array = this.builder.name(`${out}_tile`);
    this.shared.push({ name: array, type, count: count2 });
    this.arrays.set(out, { array, type });
    return array;
  }
  /** Lets the tiles of rows and columns be read at a place. */
  bindTiles(place3) {
    for (const [out, { array, type }] of this.arrays) {
      const varies = this.product.tiles.get(out);
      const at2 = (index2) => ({ kind: "shared", array, index: index2, type });
      const name2 = `${out}@${place3.name}`;
      if (varies?.m && place3.row !== void 0) this.builder.bindTile(name2, at2(place3.row));
      if (varies?.n && place3.column !== void 0) {
        const { column } = place3;
        const wide = this.width === 4 && place3.n?.startsWith(groupAxis(this.n.axis.name));
        const four = [0, 1, 2, 3].map((c) => at2(addI(mulI(column, i32(4)), i32(c))));
        this.builder.bindTile(name2, wide ? gather4(four, type.of) : at2(column));
      }
    }
  }
  /** `e` at a place: m, n and k as they are written there, tiles as the values of that place. */
  at(e, place3, more = /* @__PURE__ */ new Map(), scalarColumn = false) {
    const { m, n, tiles } = this.product;
    const axes = new Map(more);
    if (place3.m !== void 0) axes.set(m.name, axis(place3.m, m.extent));
    if (place3.n !== void 0) {
      axes.set(
        n.name,
        this.width === 4 && !scalarColumn ? quadruple(n.extent, place3.n) : axis(place3.n, n.extent)
      );
    }
    return renamed(e, axes, (name2) => {
      const varies = tiles.get(name2);
      return varies?.m || varies?.n ? `${name2}@${place3.name}` : name2;
    });
  }
};
function multipleOfFour(a) {
  return (typeof a.extent === "number" ? a.extent : a.extent.times) % 4 === 0;
}

// backends/lower/builder.ts
var Builder = class {
  /** Set where subgroup functions stand in control flow that no printer can prove uniform; see `ThreadProgram.trusted`. */
  trusted = false;
  scope;
  constructor(taken) {
    this.scope = open("block", void 0);
    for (const name2 of taken) this.scope.names.add(name2);
  }
  get current() {
    return this.scope;
  }
  /** The statements of the outermost scope. */
  finish() {
    if (this.scope.parent !== void 0) throw new Error("internal: a scope was left open");
    return this.scope.statements;
  }
  /** A name that no open scope has. */
  name(hint) {
    const name2 = freshName(
      hint,
      (candidate) => this.find((scope) => scope.names.has(candidate)) !== void 0
    );
    this.scope.names.add(name2);
    return name2;
  }
  emit(statement) {
    this.scope.statements.push(statement);
  }
  comment(text) {
    this.emit({ kind: "comment", text });
  }
  /** Binds a value to a name; constants and what has a name need none. */
  let(hint, value2) {
    if (value2.kind === "const" || value2.kind === "var") return value2;
    const name2 = this.name(hint);
    this.emit({ kind: "let", name: name2, value: value2 });
    return variable(name2, value2.type);
  }
  var(hint, type, value2) {
    const name2 = this.name(hint);
    this.emit({ kind: "var", name: name2, type, value: value2 ?? constant3(0, type) });
    return { kind: "var", name: name2, type };
  }
  assign(target, value2) {
    this.emit({ kind: "assign", name: target.name, value: value2 });
  }
  accumulate(target, value2) {
    this.emit({ kind: "accumulate", name: target.name, value: value2 });
  }
  for(hint, from, to, step, body) {
    const scope = open("loop", this.scope);
    const name2 = this.inside(scope, () => {
      const index2 = this.name(hint);
      body(variable(index2, from.type));
      return index2;
    });
    this.emit({ kind: "for", name: name2, from, to, step, body: scope.statements });
  }
  guard(cond, then) {
    const scope = open("guard", this.scope);
    this.inside(scope, then);
    this.emit({ kind: "if", cond, body: scope.statements });
  }
  if(cond, then, otherwise) {
    const yes = open("branch", this.scope);
    this.inside(yes, then);
    if (otherwise === void 0) {
      this.emit({ kind: "if", cond, body: yes.statements });
      return;
    }
    const no = open("branch", this.scope);
    this.inside(no, otherwise);
    this.emit({ kind: "if", cond, body: yes.statements, otherwise: no.statements });
  }
  bindAxis(name2, value2) {
    this.scope.axes.set(name2, value2);
  }
  bindTile(name2, value2) {
    this.scope.tiles.set(name2, value2);
  }
  /** The innermost open scope that satisfies `test`. */
  find(test) {
    for (let scope = this.scope; scope !== void 0; scope = scope.parent) {
      if (test(scope)) return scope;
    }
    return void 0;
  }
  /** Runs `action` with `scope` as the current one; what it emits stands before whatever is open inside `scope`. */
  inside(scope, action) {
    const saved = this.scope;
    const hidden = [];
    for (let s = saved; s !== void 0 && s.depth > scope.depth; s = s.parent) {
      for (const name2 of s.names) if (!scope.names.has(name2)) hidden.push(name2);
    }
    for (const name2 of hidden) scope.names.add(name2);
    this.scope = scope;
    try {
      return action();
    } finally {
      this.scope = saved;
      for (const name2 of hidden) scope.names.delete(name2);
    }
  }
};
function open(kind, parent) {
  return {
    kind,
    depth: parent === void 0 ? 0 : parent.depth + 1,
    parent,
    statements: [],
    names: /* @__PURE__ */ new Set(),
    axes: /* @__PURE__ */ new Map(),
    tiles: /* @__PURE__ */ new Map(),
    values: /* @__PURE__ */ new Map()
  };
}

// backends/lower/element.ts
init_expr();
function lowerElement(kernel, lowering, builder, bindings) {
  const { threads } = lowering;
  const vector = lowering.vector === 4 && canWiden(kernel, bindings) ? 4 : 1;
  const tiles = openGrid(builder, kernel, bindings);
  const expressions = new Expressions(builder, bindings);
  const last2 = kernel.grid.at(-1);
  const rewrite2 = vector === 4 && last2 !== void 0 ? (e) => substitute(e, /* @__PURE__ */ new Map([[last2.name, quadruple(last2.extent, groupAxis(last2.name))]])) : (e) => e;
  const points = pointsOf(kernel) / vector;
  const run2 = (local) => {
    const conditions2 = bindPoint(builder, tiles, local, vector, false);
    if (points < threads) conditions2.unshift(lessThan(local, i32(points)));
    guarded(builder, both(conditions2), () => {
      const team = { lanes: 1, lane: i32(0), combine: (_, value2) => value2 };
      const inner = new Inner(builder, expressions, bindings, kernel, team, vector === 1);
      const end = tiles.at(-1)?.end ?? i32(1);
      const whole = vector === 1 || last2 !== void 0 && multipleOfFour2(last2.extent);
      const group = builder.find((s) => s.axes.has(groupAxis(last2?.name ?? "")))?.axes.get(groupAxis(last2?.name ?? ""));
      const left = whole || group === void 0 ? void 0 : builder.let(`${last2?.name}_left`, call("sub", end.type, end, mulI(group, i32(4))));
      const now = (store) => store();
      runPoint(builder, expressions, inner, kernel.body, { rewrite: rewrite2, left, once: now, inside: now });
    });
  };
  const thread = builtin("thread");
  if (points <= threads) run2(thread);
  else {
    const rounds = Math.ceil(points / threads);
    builder.for("round", i32(0), mulI(builtin("call.one"), i32(rounds)), i32(1), (round) => {
      const local = builder.let("point", addI(mulI(round, i32(threads)), thread));
      guarded(builder, points % threads === 0 ? void 0 : lessThan(local, i32(points)), () => run2(local));
    });
  }
  return threads;
}
function canWiden(kernel, bindings) {
  const last2 = kernel.grid.at(-1);
  if (last2 === void 0 || last2.tile % 4 !== 0 || kernel.slicing?.axis === last2.name) return false;
  const four = /* @__PURE__ */ new Map([[last2.name, quadruple(last2.extent, groupAxis(last2.name))]]);
  return kernel.body.every((s) => {
    if (s.kind !== "store") return true;
    if (!bindings.entry(s.target).groups) return false;
    return groupOffset(
      bindings.offset(
        s.target,
        s.index.map((e) => substitute(e, four))
      )
    ) !== void 0;
  });
}
function multipleOfFour2(extent2) {
  return (typeof extent2 === "number" ? extent2 : extent2.times) % 4 === 0;
}

// backends/lower/header.ts
init_tile();
function headerOf(kernel, plan) {
  const { fused, flops, bytes } = kernel.about;
  const rows = batchOf(kernel.stage);
  const per = rows === void 0 ? "" : ` per row of ${rows}`;
  const shape = (access) => kernel.buffers.filter((b) => b.access === access).map(
    (b) => `${plan.values[b.value]?.name}[${(plan.values[b.value]?.shape ?? []).map(extent).join(", ")}]`
  ).join(", ");
  const grid = kernel.grid.map(
    (a) => `${a.name} ${axisExtent(a.extent)}${a.tile === 1 ? "" : ` by ${a.tile}`}`
  );
  const inner = kernel.inner.map((a) => `${a.name} ${a.extent}`);
  return [
    `${kernel.name} (${kernel.stage} stage)`,
    ...fused.map((line) => `  ${line}`),
    `reads  ${shape("read")}`,
    `writes ${shape("write")}`,
    `cost   ${count(flops)}FLOP${per}; ${count(bytes.fixed)}B${rows === void 0 ? "" : ` and ${count(bytes.perRow)}B${per}`}`,
    `grid   ${grid.join(", ")}${inner.length === 0 ? "" : `; inside ${inner.join(", ")}`}`,
    `plan   ${scheduleOf(kernel)}`
  ];
}
function scheduleOf({ lowering: l }) {
  switch (l.kind) {
    case "element":
      return `a thread a point${l.vector === 4 ? ", four points where they lie together" : ""}, ${l.threads} threads`;
    case "row":
      return `${l.lanes} lanes a row, ${l.rows} row${l.rows === 1 ? "" : "s"}, combined through ${l.combine === "subgroup" ? "the subgroup" : "workgroup memory"}`;
    case "subgroup":
      return `one subgroup of ${l.lanes} lanes, ${l.rows} rows \xD7 ${4 * l.lanes} columns`;
    case "blocked":
      return `${l.threadsM} \xD7 ${l.threadsN} threads, ${l.registersM} \xD7 ${l.registersN} accumulators each`;
    case "score":
      return `${l.lanes} lanes, ${l.rows} row${l.rows === 1 ? "" : "s"} \xD7 ${4 * l.lanes * l.groups} columns, weights handed round through ${l.combine === "subgroup" ? "the subgroup" : "workgroup memory"}`;
    case "list":
      return `${l.threads} threads a group of rows`;
    default:
      return l;
  }
}
function extent(e) {
  return String(e);
}
function axisExtent(e) {
  return typeof e === "number" ? String(e) : e.times === 1 ? e.of : `${e.of} \xD7 ${e.times}`;
}
function count(n) {
  const units = ["", "k", "M", "G", "T"];
  let i = 0;
  let value2 = n;
  while (value2 >= 1e3 && i < units.length - 1) {
    value2 /= 1e3;
    i++;
  }
  return `${i === 0 ? value2 : Number(value2.toPrecision(3))} ${units[i]}`;
}

// backends/lower/list.ts
function lowerList(kernel, { threads }, { profile }, builder, bindings, shared) {
  if (kernel.lists === void 0) throw new Error(`internal: ${kernel.name} lists nothing`);
  const [grid] = openGrid(builder, kernel, bindings);
  builder.bindAxis("g", grid.origin);
  const lister = new Lister(kernel.lists, threads, grid.origin, builder, bindings, shared);
  if (kernel.lists.step === "count") lister.count();
  else lister.list(profile.limits.workgroups);
  return threads;
}
var Lister = class {
  step;
  threads;
  group;
  builder;
  bindings;
  shared;
  expressions;
  members;
  thread = builtin("thread");
  constructor(step, threads, group, builder, bindings, shared) {
    this.step = step;
    this.threads = threads;
    this.group = group;
    this.builder = builder;
    this.bindings = bindings;
    this.shared = shared;
    this.expressions = new Expressions(builder, bindings);
    this.members = builder.let("members", extentOf3(step.list.members));
  }
  count() {
    const { builder, step, thread } = this;
    const own2 = builder.var("own", I32);
    this.eachMember(thread, this.members, i32(this.threads), () => builder.accumulate(own2, i32(1)));
    const part = this.part("part", own2);
    builder.emit({ kind: "barrier" });
    builder.if(equal(thread, i32(0)), () => {
      const total = builder.var("total", I32);
      this.eachThread((i) => builder.accumulate(total, part(i)));
      this.store(step.list.counts, this.group, total);
    });
  }
  /** `most`: workgroups of a dispatch along x. */
  list(most) {
    const { builder, thread, threads, group } = this;
    const { list, launches } = this.step;
    const capacity = builder.let("capacity", this.perBatch(list.most));
    const rowsBefore = builder.var("rows_before", I32);
    const tilesBefore = builder.var("tiles_before", I32);
    builder.for("earlier", thread, group, i32(threads), (g) => {
      const count3 = builder.let("count", this.load(list.counts, g));
      builder.accumulate(rowsBefore, count3);
      builder.accumulate(tilesBefore, tilesOf(count3, list.tile));
    });
    const run2 = builder.let("run", divI(addI(this.members, i32(threads - 1)), i32(threads)));
    const from = builder.let("run_from", minI(mulI(thread, run2), this.members));
    const to = builder.let("run_to", minI(addI(from, run2), this.members));
    const own2 = builder.var("own", I32);
    this.eachMember(from, to, i32(1), () => builder.accumulate(own2, i32(1)));
    const rowParts = this.part("row_part", rowsBefore);
    const tileParts = this.part("tile_part", tilesBefore);
    const ownParts = this.part("own_part", own2);
    builder.emit({ kind: "barrier" });
    const base = builder.var("base", I32);
    const tileBase = builder.var("tile_base", I32);
    const at2 = builder.var("at", I32);
    this.eachThread((i) => {
      builder.accumulate(base, rowParts(i));
      builder.accumulate(tileBase, tileParts(i));
      builder.if(lessThan(i, thread), () => builder.accumulate(at2, ownParts(i)));
    });
    builder.accumulate(at2, base);
    this.eachMember(
      from,
      to,
      i32(1),
      (row) => {
        builder.if(
          lessThan(at2, capacity),
          () => {
            this.store(list.rows, at2, row);
            this.store(list.places, row, at2);
          },
          () => this.store(list.places, row, i32(-1))
        );
        builder.accumulate(at2, i32(1));
      },
      (row) => this.store(list.places, row, i32(-1))
    );
    const count2 = builder.let("count", this.load(list.counts, group));
    const tiles = builder.let("tiles", tilesOf(count2, list.tile));
    const room = builder.let("tile_room", addI(this.perBatch(list.most + 1), i32(-1)));
    builder.for("tile", thread, tiles, i32(threads), (i) => {
      const number = builder.let("number", addI(tileBase, i));
      builder.if(lessThan(number, room), () => {
        const record = builder.let("record", mulI(addI(number, i32(1)), i32(4)));
        const first2 = addI(base, mulI(i, i32(list.tile)));
        const end = addI(first2, i32(list.tile));
        const words = [group, first2, minI(end, minI(addI(base, count2), capacity)), i32(0)];
        for (const [w, word3] of words.entries()) this.store(list.tiles, addI(record, i32(w)), word3);
      });
    });
    const last2 = call("and", BOOL, equal(group, i32(list.groups - 1)), equal(thread, i32(0)));
    builder.if(last2, () => {
      const allRows = builder.let("all_rows", minI(addI(base, count2), capacity));
      const allTiles = builder.let("all_tiles", minI(addI(tileBase, tiles), room));
      for (const [w, word3] of [allRows, allTiles, i32(0), i32(0)].entries())
        this.store(list.tiles, i32(w), word3);
      launches.forEach((launch, j) => {
        this.launch(launch, j, launch.of === "rows" ? allRows : allTiles, most);
      });
    });
  }
  /** Workgroups along x as far as a dispatch takes them, then along y. */
  launch(launch, index2, points, most) {
    const { builder, step } = this;
    const { times: times3, tile: tile2, others } = launch;
    const along = divI(addI(mulI(points, i32(times3)), i32(tile2 - 1)), i32(tile2));
    const total = builder.let("workgroups", mulI(along, i32(others)));
    const x = builder.let("along_x", minI(total, i32(most)));
    const some2 = builder.let("some", call("max", I32, x, i32(1)));
    const rows = divI(addI(total, addI(some2, i32(-1))), some2);
    for (const [w, word3] of [x, rows, i32(1), i32(0)].entries())
      this.store(step.list.launches, i32(4 * index2 + w), word3);
  }
  /** Runs `active` or `idle` with the row of each member of [from, to) in steps. */
  eachMember(from, to, by, active, idle) {
    const { builder, step } = this;
    builder.for("member", from, to, by, (m) => {
      builder.bindAxis("m", m);
      const row = builder.let("row", addI(mulI(m, i32(step.list.groups)), this.group));
      const condition = this.expressions.as(step.active, "bool");
      builder.if(condition, () => active(row), idle && (() => idle(row)));
    });
  }
  eachThread(body) {
    this.builder.for("i", i32(0), runtimeBound(this.builder, "threads", this.threads), i32(1), body);
  }
  /** Leaves every thread's `value` in workgroup memory; gives a read of thread i's. */
  part(hint, value2) {
    const array = this.builder.name(hint);
    this.shared.push({ name: array, type: I32, count: this.threads });
    this.builder.emit({ kind: "store_shared", array, index: this.thread, value: value2 });
    return (index2) => ({ kind: "shared", array, index: index2, type: I32 });
  }
  perBatch(times3) {
    const { members } = this.step.list;
    if (typeof members === "number") throw new Error("internal: a list without a batch axis");
    return extentOf3({ of: members.of, times: times3 });
  }
  load(value2, index2) {
    return { kind: "load", binding: this.bindings.entry(value2).index, index: index2, type: I32 };
  }
  store(value2, index2, what) {
    const binding = this.bindings.entry(value2).index;
    this.builder.emit({ kind: "store", binding, index: index2, value: what });
  }
};
function tilesOf(rows, tile2) {
  return divI(addI(rows, i32(tile2 - 1)), i32(tile2));
}
function equal(a, b) {
  return call("eq", BOOL, a, b);
}

// backends/lower/row.ts
function lowerRow(kernel, lowering, builder, bindings, shared) {
  const { lanes, rows, combine: combine2, vector } = lowering;
  if (pointsOf(kernel) !== rows)
    throw new Error(`internal: ${kernel.name} tiles ${pointsOf(kernel)} points for ${rows} rows`);
  const threads = lanes * rows;
  const tiles = openGrid(builder, kernel, bindings);
  const thread = builtin("thread");
  const lane = rows === 1 ? thread : builder.let("lane", remI(thread, i32(lanes)));
  const row = rows === 1 ? i32(0) : builder.let("row", divI(thread, i32(lanes)));
  const inside = both(bindPoint(builder, tiles, row, 1, true));
  const team = {
    lanes,
    lane,
    combine: combine2 === "subgroup" ? acrossSubgroup : throughMemory(builder, shared, lanes, rows, lane, row)
  };
  const expressions = new Expressions(builder, bindings);
  const inner = new Inner(builder, expressions, bindings, kernel, team, vector === 4);
  const first2 = call("eq", { of: "bool", width: 1 }, lane, i32(0));
  runPoint(builder, expressions, inner, kernel.body, {
    rewrite: (e) => e,
    once: (store) => guarded(builder, both(inside === void 0 ? [first2] : [first2, inside]), store),
    inside: (store) => guarded(builder, inside, store)
  });
  return threads;
}
function acrossSubgroup(fn, value2) {
  return call(
    fn === "sum" ? "subgroup_add" : fn === "max" ? "subgroup_max" : "subgroup_min",
    value2.type,
    value2
  );
}
function throughMemory(builder, shared, lanes, rows, lane, row) {
  if (!Number.isInteger(Math.log2(lanes))) throw new Error(`internal: ${lanes} lanes are no power of two`);
  return (fn, value2) => {
    if (lanes === 1) return value2;
    const array = value2.type.of === "f32" ? "partial" : `partial_${value2.type.of}_sums`;
    if (!shared.some((s) => s.name === array))
      shared.push({ name: array, type: value2.type, count: lanes * rows });
    const at2 = (index2) => ({ kind: "shared", array, index: index2, type: value2.type });
    const thread = builtin("thread");
    builder.emit({ kind: "store_shared", array, index: thread, value: value2 });
    builder.emit({ kind: "barrier" });
    for (let half = lanes / 2; half >= 1; half /= 2) {
      builder.if(lessThan(lane, i32(half)), () => {
        builder.emit({
          kind: "store_shared",
          array,
          index: thread,
          value: foldTwo(fn, at2(thread), at2(addI(thread, i32(half))))
        });
      });
      builder.emit({ kind: "barrier" });
    }
    const result = builder.let("total", at2(mulI(row, i32(lanes))));
    builder.emit({ kind: "barrier" });
    return result;
  };
}

// backends/lower/score.ts
init_expr();
var LOWEST = constant3(-34028234663852886e22, F32);
var NOTHING = constant3(-3e38, F32);
var ZERO2 = constant3(0, F32);
function lowerScore(kernel, lowering, builder, bindings, shared) {
  new ScoreProduct(kernel, lowering, builder, bindings, shared).lower();
  return lowering.lanes;
}
var ScoreProduct = class {
  kernel;
  l;
  s;
  builder;
  expressions;
  shared;
  m;
  n;
  j;
  k;
  softmax;
  rows;
  groups;
  /** Names of the arrays in workgroup memory, if any. */
  arrays = { weights: "", most: "", scale: "" };
  constructor(kernel, lowering, builder, bindings, shared) {
    const s = kernel.body.find((statement) => statement.kind === "score");
    if (s?.kind !== "score") throw new Error(`internal: ${kernel.name} has no score product`);
    this.kernel = kernel;
    this.l = lowering;
    this.s = s;
    this.builder = builder;
    this.shared = shared;
    this.softmax = s.norm === "softmax";
    this.rows = range(lowering.rows);
    this.groups = range(lowering.groups);
    const tiles = /* @__PURE__ */ new Map([
      [s.m, lowering.rows],
      [s.n, 4 * lowering.lanes * lowering.groups]
    ]);
    const odd = kernel.grid.find((a) => a.tile !== (tiles.get(a.name) ?? 1));
    if (odd !== void 0)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis: a, origin } of grid) if (!tiles.has(a.name)) builder.bindAxis(a.name, origin);
    const tileOf = (name2) => {
      const found = grid.find((t) => t.axis.name === name2);
      if (found === void 0) throw new Error(`internal: ${kernel.name} has no grid axis ${name2}`);
      return found;
    };
    this.m = tileOf(s.m);
    this.n = tileOf(s.n);
    this.j = innerAxis(kernel, s.j);
    this.k = innerAxis(kernel, s.k);
    this.expressions = new Expressions(builder, bindings);
  }
  lower() {
    for (const r of this.rows) this.bindRow(r);
    for (const g of this.groups) this.bindColumns(g);
    for (const statement of this.kernel.body) {
      if (statement.kind === "score") this.multiply();
      else if (statement.kind === "let") this.compute(statement);
      else if (statement.kind === "store" && statement.over.length === 0) this.store(statement);
      else throw new Error(`internal: ${this.kernel.name} has a ${statement.kind} beside its score product`);
    }
  }
  // ------------------------------------------------------------------------------------------------ product
  multiply() {
    const { builder, softmax: softmax2 } = this;
    this.openMemory();
    const own2 = this.l.combine === "subgroup";
    const state = this.rows.map(
      (r) => ({
        most: softmax2 && own2 ? builder.var(`most_${r}`, F32, LOWEST) : void 0,
        total: softmax2 ? builder.var(`total_${r}`, F32) : void 0,
        acc: this.groups.map((g) => builder.var(`${this.s.out}_${r}_${g}`, F32X4))
      })
    );
    const { segment } = this.s;
    if (segment === void 0 || this.l.rows === 1) {
      if (segment !== void 0) builder.bindAxis(this.rowAxis("leader"), this.axisValue(this.rowAxis(0)));
      this.blocks(state);
    } else this.segments(state, segment);
    this.finish(state);
  }
  /** A pass for the first row of every segment. */
  segments(state, segment) {
    const { builder, expressions } = this;
    builder.trusted = true;
    const keys = this.rows.map(
      (r) => builder.let(`segment_${r}`, expressions.as(this.at(segment, { row: r }), "i32"))
    );
    builder.for("leader", i32(0), runtimeBound(builder, "leaders", this.l.rows), i32(1), (leader) => {
      const near = addI(this.m.origin, leader);
      const row = this.m.exact ? near : minI(near, addI(this.m.end, i32(-1)));
      builder.bindAxis(this.rowAxis("leader"), builder.let(`${this.s.m}_leader`, row));
      const key = builder.let("segment", expressions.as(this.at(segment, { row: "leader" }), "i32"));
      const same2 = keys.map((k, r) => builder.let(`same_${r}`, call("eq", BOOL, k, key)));
      const earlier = same2.map((is, r) => call("and", BOOL, is, lessThan(i32(r), leader))).reduce((a, b) => call("or", BOOL, a, b));
      builder.if(call("not", BOOL, earlier), () => this.blocks(state, same2));
    });
  }
  blocks(state, same2) {
    const { builder, j } = this;
    const { lanes, combine: combine2 } = this.l;
    const whole = Math.ceil(j.extent / lanes);
    const visible = this.visibleRange();
    let from = i32(0);
    let to = runtimeBound(builder, `${j.name}_blocks`, whole);
    if (visible && (combine2 === "subgroup" || !visible.loaded)) {
      builder.trusted ||= visible.loaded;
      if (visible.from) from = builder.let(`${j.name}_first`, divI(visible.from, i32(lanes)));
      if (visible.to) {
        const end = divI(addI(visible.to, i32(lanes - 1)), i32(lanes));
        to = builder.let(`${j.name}_last`, minI(end, to));
      }
    }
    builder.for("block", from, to, i32(1), (block) => {
      const start = mulI(block, i32(lanes));
      const own2 = builder.let(`${j.name}_own`, addI(start, builtin("thread")));
      const exact = j.extent % lanes === 0;
      builder.bindAxis(this.ownJ, exact ? own2 : builder.let(j.name, minI(own2, i32(j.extent - 1))));
      const scores = this.scores();
      const weights = this.rows.map((r) => {
        builder.bindTile(`${this.s.score}@${r}`, scores[r]);
        const w = this.expressions.as(this.at(this.s.weight, { row: r, j: this.ownJ }), "f32");
        const kept = [exact ? void 0 : lessThan(own2, i32(j.extent)), same2?.[r]].filter(
          (c) => c !== void 0
        );
        const cond = kept.reduce(
          (a, b) => a === void 0 ? b : call("and", BOOL, a, b),
          void 0
        );
        const nothing = this.softmax ? LOWEST : ZERO2;
        return builder.let(`w_${r}`, cond === void 0 ? w : call("select", F32, nothing, w, cond));
      });
      if (combine2 === "subgroup") this.bySubgroup(state, weights, start);
      else this.byMemory(state, weights, start);
    });
  }
  /** Σ_k a · b for every row and this lane's j. */
  scores() {
    const { builder, expressions, k, s } = this;
    const whole = Math.floor(k.extent / 4);
    const b = (at2, width) => {
      const value2 = this.at(s.b, { row: "leader", j: this.ownJ }, /* @__PURE__ */ new Map([[k.name, at2]]));
      return builder.let("b", spread(expressions.as(value2, "f32"), width));
    };
    const a = (r, at2, width) => spread(expressions.as(this.at(s.a, { row: r }, /* @__PURE__ */ new Map([[k.name, at2]])), "f32"), width);
    const sums = this.rows.map((r) => builder.var(`s4_${r}`, F32X4));
    if (whole > 0) {
      const hint = `${k.name}4`;
      builder.for(hint, i32(0), runtimeBound(builder, `${hint}_end`, whole), i32(1), (index2) => {
        builder.bindAxis(groupAxis(k.name), index2);
        const four = quadruple(k.extent, groupAxis(k.name));
        const keys = b(four, 4);
        sums.forEach((sum, r) => {
          builder.accumulate(sum, call("mul", F32X4, a(r, four, 4), keys));
        });
      });
    }
    let totals = sums.map((sum) => call("sum4", F32, sum));
    for (let rest2 = 4 * whole; rest2 < k.extent; rest2++) {
      const key = b(int(rest2), 1);
      totals = totals.map((total, r) => call("add", F32, total, call("mul", F32, a(r, int(rest2), 1), key)));
    }
    return totals.map((total, r) => builder.let(`${s.score}_${r}`, total));
  }
  /** The weights of a block to the lanes that own columns, lane by lane. */
  bySubgroup(state, weights, start) {
    const { builder, l } = this;
    const shares = state.map(({ most, total, acc }, r) => {
      const w = weights[r];
      if (most === void 0 || total === void 0) return w;
      const next = builder.let("most", call("max", F32, most, call("subgroup_max", F32, w)));
      const { p, scale } = this.rescaled(w, most, next);
      builder.assign(most, next);
      builder.assign(total, call("add", F32, call("mul", F32, total, scale), p));
      for (const sum of acc) builder.assign(sum, call("mul", F32X4, sum, scale));
      return this.gained(p, r);
    });
    for (let c = 0; c < l.lanes; c++) {
      const values = this.values(start, i32(c), `${this.j.name}@${c}`);
      state.forEach(({ acc }, r) => {
        const p = call("subgroup_broadcast", F32, shares[r], i32(c));
        const handed = acc.length > 1 ? builder.let("p", p) : p;
        acc.forEach((sum, g) => {
          builder.accumulate(sum, call("mul", F32X4, handed, values[g]));
        });
      });
    }
  }
  /** The same through workgroup memory: weights, then the rows' maxima, then shares. */
  byMemory(state, weights, start) {
    const { builder, l, arrays } = this;
    const thread = builtin("thread");
    const at2 = (r) => addI(i32(r * l.lanes), thread);
    const put = (array, index2, value2) => builder.emit({ kind: "store_shared", array, index: index2, value: value2 });
    const get = (array, index2) => ({
      kind: "shared",
      array,
      index: index2,
      type: F32
    });
    let shares = weights;
    if (this.softmax) {
      weights.forEach((w, r) => {
        put(arrays.weights, at2(r), w);
      });
      builder.emit({ kind: "barrier" });
      builder.if(lessThan(thread, i32(l.rows)), () => {
        const before = builder.let("before", get(arrays.most, thread));
        const top = builder.var("top", F32, before);
        builder.for("lane", i32(0), runtimeBound(builder, "lanes", l.lanes), i32(1), (lane) => {
          const w = get(arrays.weights, addI(mulI(thread, i32(l.lanes)), lane));
          builder.assign(top, call("max", F32, top, w));
        });
        put(arrays.scale, thread, call("exp", F32, call("sub", F32, before, top)));
        put(arrays.most, thread, top);
      });
      builder.emit({ kind: "barrier" });
      shares = state.map(({ total, acc }, r) => {
        const scale = builder.let("scale", get(arrays.scale, i32(r)));
        const p = this.share(weights[r], get(arrays.most, i32(r)));
        if (total !== void 0) {
          builder.assign(total, call("add", F32, call("mul", F32, total, scale), p));
        }
        for (const sum of acc) builder.assign(sum, call("mul", F32X4, sum, scale));
        return this.gained(p, r);
      });
    }
    shares.forEach((p, r) => {
      put(arrays.weights, at2(r), p);
    });
    builder.emit({ kind: "barrier" });
    const left = call("sub", I32, i32(this.j.extent), start);
    const end = this.j.extent % l.lanes === 0 ? runtimeBound(builder, "lanes", l.lanes) : builder.let("lanes_left", minI(left, i32(l.lanes)));
    builder.for("lane", i32(0), end, i32(1), (lane) => {
      const values = this.values(start, lane, `${this.j.name}@shared`, true);
      state.forEach(({ acc }, r) => {
        const p = builder.let("p", get(arrays.weights, addI(i32(r * l.lanes), lane)));
        acc.forEach((sum, g) => {
          builder.accumulate(sum, call("mul", F32X4, p, values[g]));
        });
      });
    });
    builder.emit({ kind: "barrier" });
  }
  /** exp(w − most'), and what brings the sums so far to the new maximum. */
  rescaled(w, most, next) {
    const scale = this.builder.let("scale", call("exp", F32, call("sub", F32, most, next)));
    return { p: this.share(w, next), scale };
  }
  share(w, most) {
    const p = call("exp", F32, call("sub", F32, w, most));
    return this.builder.let("p", call("select", F32, p, ZERO2, lessThan(w, NOTHING)));
  }
  gained(p, r) {
    const { gain } = this.s;
    if (gain === void 0) return p;
    const factor = this.expressions.as(this.at(gain, { row: r, j: this.ownJ }), "f32");
    return this.builder.let("p", call("mul", F32, p, factor));
  }
  /** v at j = start + lane in this lane's columns. */
  values(start, lane, name2, inside = false) {
    const { builder, expressions, j } = this;
    const at2 = addI(start, lane);
    const exact = inside || j.extent % this.l.lanes === 0;
    builder.bindAxis(name2, builder.let(j.name, exact ? at2 : minI(at2, i32(j.extent - 1))));
    return this.groups.map((group) => {
      const v = this.at(this.s.v, { row: "leader", group, j: name2 });
      return builder.let("v", spread(expressions.as(v, "f32"), 4));
    });
  }
  /** The sums become tiles; a softmax is divided by its total, and is 0 where it has seen nothing. */
  finish(state) {
    const { builder, l, arrays } = this;
    const shared = l.combine === "shared";
    if (this.softmax && shared) {
      state.forEach(({ total }, r) => {
        if (total === void 0) return;
        const index2 = addI(i32(r * l.lanes), builtin("thread"));
        builder.emit({ kind: "store_shared", array: arrays.weights, index: index2, value: total });
      });
      builder.emit({ kind: "barrier" });
    }
    state.forEach(({ total, acc }, r) => {
      let inverse;
      if (total !== void 0) {
        const sum = builder.let("sum", shared ? this.sumOf(r) : call("subgroup_add", F32, total));
        const over = call("div", F32, constant3(1, F32), sum);
        inverse = builder.let("inverse", call("select", F32, over, ZERO2, call("eq", BOOL, sum, ZERO2)));
      }
      acc.forEach((sum, g) => {
        const name2 = `${this.s.out}@${r},${g}`;
        const scaled = inverse === void 0 ? sum : call("mul", F32X4, sum, inverse);
        builder.bindTile(name2, builder.let(`${this.s.out}_row${r}`, scaled));
      });
    });
  }
  /** The lanes' shares of a row's total, one after another. */
  sumOf(r) {
    const { builder, l } = this;
    const sum = builder.var("shares", F32);
    builder.for("lane", i32(0), runtimeBound(builder, "lanes", l.lanes), i32(1), (lane) => {
      const index2 = addI(i32(r * l.lanes), lane);
      builder.accumulate(sum, { kind: "shared", array: this.arrays.weights, index: index2, type: F32 });
    });
    return sum;
  }
  openMemory() {
    const { builder, l, arrays } = this;
    if (l.combine === "subgroup") return;
    const array = (hint, count2) => {
      const name2 = builder.name(hint);
      this.shared.push({ name: name2, type: F32, count: count2 });
      return name2;
    };
    arrays.weights = array("weights", l.rows * l.lanes);
    if (!this.softmax) return;
    arrays.most = array("mosts", l.rows);
    arrays.scale = array("scales", l.rows);
    builder.if(lessThan(builtin("thread"), i32(l.rows)), () => {
      builder.emit({ kind: "store_shared", array: arrays.most, index: builtin("thread"), value: LOWEST });
    });
    builder.emit({ kind: "barrier" });
  }
  /** What some row of the tile may see: the union of their ranges, within the axis. */
  visibleRange() {
    const { visible, m } = this.s;
    if (visible === void 0) return void 0;
    const over = (e, fn) => {
      const rows = axesOf(e).has(m) ? this.rows : [0];
      return rows.map((row) => this.expressions.as(this.at(e, { row }), "i32")).reduce((a, b) => call(fn, I32, a, b));
    };
    const { from, to } = visible;
    const loaded = [from, to].some((e) => e !== void 0 && loadsOf(e).length > 0);
    return {
      ...from ? { from: call("max", I32, over(from, "min"), i32(0)) } : {},
      ...to ? { to: call("max", I32, over(to, "max"), i32(0)) } : {},
      loaded
    };
  }
  // ----------------------------------------------------------------------------------------------- epilogue
  compute(statement) {
    const { builder } = this;
    for (const row of this.rows) {
      for (const group of this.groups) {
        const value2 = tileValue(this.expressions, this.at(statement.value, { row, group }));
        const name2 = `${statement.out}@${row},${group}`;
        builder.bindTile(name2, builder.let(`${statement.out}_row${row}`, value2));
      }
    }
  }
  store(statement) {
    const { builder, m, n } = this;
    const extent2 = typeof n.axis.extent === "number" ? n.axis.extent : n.axis.extent.times;
    const ragged = extent2 % 4 !== 0;
    const columns = (group, body) => {
      const first2 = mulI(this.ownColumn(group), i32(4));
      const inside = () => body(ragged ? builder.let(`${n.axis.name}_left`, call("sub", I32, n.end, first2)) : void 0);
      if (n.exact) inside();
      else builder.guard(lessThan(first2, n.end), inside);
    };
    const rows = (row, body) => {
      const index2 = addI(m.origin, i32(row));
      if (m.exact || row === 0) body();
      else builder.guard(lessThan(index2, m.end), body);
    };
    for (const group of this.groups) {
      columns(group, (left) => {
        for (const row of this.rows) {
          rows(row, () => {
            const place3 = { row, group };
            const four = tileValue(this.expressions, this.at(statement.value, place3));
            const value2 = extent2 === 1 ? component(four, 0) : four;
            const index2 = statement.index.map((e) => this.at(e, place3));
            this.expressions.store(statement.target, index2, value2, left);
          });
        }
      });
    }
  }
  // ------------------------------------------------------------------------------------------------- places
  get ownJ() {
    return `${this.s.j}@own`;
  }
  rowAxis(row) {
    return `${this.s.m}@${row}`;
  }
  columnAxis(group) {
    return `${groupAxis(this.s.n)}@${group}`;
  }
  ownColumn(group) {
    const first2 = addI(divI(this.n.origin, i32(4)), i32(group * this.l.lanes));
    return addI(first2, builtin("thread"));
  }
  bindRow(r) {
    const { builder, m } = this;
    const index2 = addI(m.origin, i32(r));
    const near = m.exact || r === 0 ? index2 : minI(index2, addI(m.end, i32(-1)));
    builder.bindAxis(this.rowAxis(r), builder.let(`${m.axis.name}_${r}`, near));
  }
  bindColumns(group) {
    const { builder, n } = this;
    const own2 = this.ownColumn(group);
    const last2 = addI(divI(addI(n.end, i32(3)), i32(4)), i32(-1));
    const near = n.exact ? own2 : minI(own2, last2);
    builder.bindAxis(this.columnAxis(group), builder.let(`${n.axis.name}4_${group}`, near));
  }
  axisValue(name2) {
    const value2 = this.builder.find((scope) => scope.axes.has(name2))?.axes.get(name2);
    if (value2 === void 0) throw new Error(`internal: axis ${name2} is not bound`);
    return value2;
  }
  /** `e` at a place: m, n and j as they are called there, tiles as that place's. */
  at(e, place3, more = /* @__PURE__ */ new Map()) {
    const { m, n, j, s } = this;
    const axes = new Map(more);
    if (place3.row !== void 0) axes.set(s.m, axis(this.rowAxis(place3.row), m.axis.extent));
    if (place3.group !== void 0) axes.set(s.n, quadruple(n.axis.extent, this.columnAxis(place3.group)));
    if (place3.j !== void 0) axes.set(s.j, axis(place3.j, j.extent));
    return renamed(
      e,
      axes,
      (name2) => name2 === s.score ? `${name2}@${place3.row}` : `${name2}@${place3.row},${place3.group}`
    );
  }
};
function range(count2) {
  return Array.from({ length: count2 }, (_, i) => i);
}

// backends/lower/subgroup.ts
init_expr();
function lowerSubgroup(kernel, lowering, builder, bindings) {
  new SubgroupProduct(kernel, lowering, builder, bindings).lower();
  return lowering.lanes;
}
var SubgroupProduct = class {
  kernel;
  lanes;
  rows;
  builder;
  expressions;
  product;
  mTile;
  nTile;
  columns;
  alongRows;
  alongColumns;
  constructor(kernel, lowering, builder, bindings) {
    const { lanes, rows } = lowering;
    this.kernel = kernel;
    this.lanes = lanes;
    this.rows = rows;
    this.builder = builder;
    this.product = productOf(kernel);
    const { m, n } = this.product;
    const odd = kernel.grid.find((a) => a.tile !== (a === m ? rows : a === n ? 4 * lanes : 1));
    if (odd !== void 0)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis: a, origin } of grid) if (a !== m && a !== n) builder.bindAxis(a.name, origin);
    this.mTile = grid.find((t) => t.axis === m);
    this.nTile = grid.find((t) => t.axis === n);
    if (!this.nTile.aligned) throw new Error(`internal: ${kernel.name} is sliced along its columns`);
    const own2 = builder.let(`${n.name}4`, addI(divI(this.nTile.origin, i32(4)), builtin("thread")));
    this.columns = own2;
    const groups2 = divI(addI(this.nTile.end, i32(3)), i32(4));
    const clamped = this.nTile.exact ? own2 : builder.let(`${n.name}4_near`, minI(own2, addI(groups2, i32(-1))));
    builder.bindAxis(groupAxis(n.name), clamped);
    this.expressions = new Expressions(builder, bindings);
    const alone = { lanes: 1, lane: i32(0), combine: (_, value2) => value2 };
    this.alongRows = new Inner(builder, this.expressions, bindings, kernel, alone, true);
    this.alongColumns = new Inner(builder, this.expressions, bindings, kernel, alone, false);
  }
  lower() {
    for (const phase of phases(this.kernel.body)) {
      if ("kind" in phase) this.statement(phase);
      else this.multiply(phase);
    }
  }
  multiply(dots) {
    const { builder, expressions, lanes, rows } = this;
    const [first2] = dots;
    const k = innerAxis(this.kernel, first2.k);
    const acc = dots.map(
      (dot2) => Array.from({ length: rows }, (_, r) => builder.var(`${dot2.out}_${r}`, F32X4))
    );
    const blocks = Array.from({ length: Math.ceil(rows / lanes) }, (_, j) => j);
    for (const j of blocks) this.bindRow({ kind: "loaded", j });
    const step = (at2, width) => {
      const a = dots.map(
        (dot2) => blocks.map((j) => {
          const value2 = expressions.as(
            this.at(dot2.a, { kind: "loaded", j }, /* @__PURE__ */ new Map([[k.name, at2(void 0)]])),
            "f32"
          );
          return builder.let("a", spread(value2, width));
        })
      );
      for (let c = 0; c < width; c++) {
        dots.forEach((dot2, d) => {
          const value2 = expressions.as(
            this.at(dot2.b, { kind: "columns" }, /* @__PURE__ */ new Map([[k.name, at2(c)]])),
            "f32"
          );
          const b = builder.let("b", spread(value2, 4));
          for (let r = 0; r < rows; r++) {
            const held = component(a[d]?.[Math.floor(r / lanes)], c);
            const handed = call("subgroup_broadcast", F32, held, i32(r % lanes));
            builder.accumulate(acc[d]?.[r], call("mul", F32X4, handed, b));
          }
        });
      }
    };
    const whole = Math.floor(k.extent / 4);
    if (whole > 0) {
      const hint = `${k.name}4`;
      builder.for(hint, i32(0), runtimeBound(builder, `${hint}_end`, whole), i32(1), (index2) => {
        builder.bindAxis(groupAxis(k.name), index2);
        const group = axis(groupAxis(k.name), Math.ceil(k.extent / 4));
        step(
          (c) => c === void 0 ? quadruple(k.extent, groupAxis(k.name)) : add(mul(group, int(4)), int(c)),
          4
        );
      });
    }
    for (let rest2 = 4 * whole; rest2 < k.extent; rest2++) step(() => int(rest2), 1);
    dots.forEach((dot2, d) => {
      for (const [r, value2] of (acc[d] ?? []).entries()) builder.bindTile(`${dot2.out}@row${r}`, value2);
    });
  }
  statement(statement) {
    if (statement.kind === "store") {
      this.store(statement);
      return;
    }
    const out = outputsOf(statement)[0] ?? "";
    const { m, n } = this.product.tiles.get(out) ?? { m: true, n: true };
    for (const place3 of this.places(m, n)) this.compute(statement, place3);
    if (m && !n) this.handRound(statement);
  }
  places(m, n) {
    if (!m) return [{ kind: "columns" }];
    if (n) return Array.from({ length: this.rows }, (_, r) => ({ kind: "row", r }));
    return Array.from({ length: Math.ceil(this.rows / this.lanes) }, (_, j) => ({ kind: "loaded", j }));
  }
  compute(statement, place3) {
    const { builder } = this;
    this.bindRow(place3);
    const rewrite2 = (e) => this.at(e, place3);
    if (statement.kind === "let") {
      const value2 = tileValue(this.expressions, rewrite2(statement.value));
      builder.bindTile(
        this.tileAt(statement.out, place3),
        builder.let(this.tileAt(statement.out, place3), value2)
      );
      return;
    }
    const inner = place3.kind === "loaded" ? this.alongRows : this.alongColumns;
    const named = statement.kind === "moments" ? { ...statement, mean: this.tileAt(statement.mean, place3), m2: this.tileAt(statement.m2, place3) } : { ...statement, out: this.tileAt(statement.out, place3) };
    inner.reduce([named], statement.over, rewrite2);
  }
  /** A value of a row lies with the lane that loads the row; rows of accumulators that need it get it by broadcast. */
  handRound(statement) {
    const { builder, lanes } = this;
    const later = this.kernel.body.slice(this.kernel.body.indexOf(statement) + 1);
    for (const out of outputsOf(statement)) {
      const needed = later.some((s) => s.kind !== "dot" && usesTile(s, out));
      if (!needed) continue;
      for (let r = 0; r < this.rows; r++) {
        const held = builder.current.tiles.get(
          this.tileAt(out, { kind: "loaded", j: Math.floor(r / lanes) })
        );
        if (held === void 0) throw new Error(`internal: ${out} is not held`);
        const name2 = this.tileAt(out, { kind: "row", r });
        builder.bindTile(
          name2,
          builder.let(name2, call("subgroup_broadcast", held.type, held, i32(r % lanes)))
        );
      }
    }
  }
  store(statement) {
    const { builder, expressions, nTile, mTile, product: product4 } = this;
    const uses = variesOf(statement, product4);
    const columnGuard = uses.n ? nTile.exact ? void 0 : lessThan(mulI(this.columns, i32(4)), nTile.end) : call("eq", { of: "bool", width: 1 }, this.columns, i32(0));
    const whole = (typeof product4.n.extent === "number" ? product4.n.extent : product4.n.extent.times) % 4 === 0;
    const columnsGuarded = (body) => {
      if (columnGuard === void 0) body();
      else builder.guard(columnGuard, body);
    };
    columnsGuarded(() => {
      const left = whole || !uses.n ? void 0 : builder.let(`${product4.n.name}_left`, addI(nTile.end, mulI(this.columns, i32(-4))));
      for (let r = 0; r < (uses.m ? this.rows : 1); r++) {
        const place3 = { kind: "row", r };
        const index2 = addI(mTile.origin, i32(r));
        const write = (turn2) => {
          const value2 = tileValue(expressions, turn2(this.at(statement.value, place3)));
          expressions.store(
            statement.target,
            statement.index.map((e) => turn2(this.at(e, place3))),
            value2,
            left
          );
        };
        const body = () => {
          if (statement.over.length === 0) write((e) => e);
          else this.alongColumns.each(statement.over, write);
        };
        if (mTile.exact || !uses.m) {
          this.bindRow(place3);
          body();
          continue;
        }
        builder.guard(lessThan(index2, mTile.end), () => {
          builder.bindAxis(this.rowAxis(place3), builder.let(`${product4.m.name}_${r}`, index2));
          body();
        });
      }
    });
  }
  /** `e` at a place: m and n written as what this lane holds there, tiles as the values of that place. */
  at(e, place3, more = /* @__PURE__ */ new Map()) {
    const { m, n } = this.product;
    const axes = new Map([...more, [n.name, quadruple(n.extent, groupAxis(n.name))]]);
    if (place3.kind !== "columns") axes.set(m.name, axis(this.rowAxis(place3), m.extent));
    return renamed(e, axes, (name2) => this.tileAt(name2, place3));
  }
  tileAt(name2, place3) {
    const { m, n } = this.product.tiles.get(name2) ?? { m: true, n: true };
    if (!m) return name2;
    if (place3.kind === "columns")
      throw new Error(`internal: ${name2} belongs to a row and is used at a column`);
    if (n && place3.kind === "loaded")
      throw new Error(`internal: ${name2} belongs to a point and is used at a row`);
    return place3.kind === "loaded" ? `${name2}@lane${place3.j}` : `${name2}@row${place3.r}`;
  }
  rowAxis(place3) {
    return place3.kind === "loaded" ? `${this.product.m.name}@lane${place3.j}` : `${this.product.m.name}@row${place3.r}`;
  }
  /** Binds the index of a row, once, in the outermost scope. */
  bindRow(place3) {
    if (place3.kind === "columns") return;
    const name2 = this.rowAxis(place3);
    if (this.builder.find((s) => s.axes.has(name2)) !== void 0) return;
    const root = this.builder.find((s) => s.parent === void 0) ?? this.builder.current;
    const { origin, end, axis: m, exact } = this.mTile;
    this.builder.inside(root, () => {
      const loaded = place3.kind === "loaded";
      const index2 = loaded ? addI(origin, addI(builtin("thread"), i32(place3.j * this.lanes))) : addI(origin, i32(place3.r));
      const inTile = loaded && (place3.j + 1) * this.lanes > this.rows;
      const near = inTile ? minI(index2, addI(origin, i32(this.rows - 1))) : index2;
      const value2 = exact ? near : minI(near, addI(end, i32(-1)));
      this.builder.bindAxis(
        name2,
        this.builder.let(`${m.name}_${loaded ? `lane${place3.j}` : place3.r}`, value2)
      );
    });
  }
};

// backends/lower/index.ts
function lowerKernel(kernel, plan) {
  const bindings = new Bindings(kernel, plan.values);
  const builder = new Builder(bindings.names);
  const shared = [];
  const { lowering } = kernel;
  const lower = () => {
    switch (lowering.kind) {
      case "element":
        return lowerElement(kernel, lowering, builder, bindings);
      case "row":
        return lowerRow(kernel, lowering, builder, bindings, shared);
      case "subgroup":
        return lowerSubgroup(kernel, lowering, builder, bindings);
      case "blocked":
        return lowerBlocked(kernel, lowering, builder, bindings, shared);
      case "score":
        return lowerScore(kernel, lowering, builder, bindings, shared);
      case "list":
        return lowerList(kernel, lowering, plan, builder, bindings, shared);
      default:
        return lowering;
    }
  };
  const workgroup = lower();
  return {
    name: kernel.name,
    stage: kernel.stage,
    workgroup,
    header: headerOf(kernel, plan),
    bindings: bindings.list(),
    shared,
    body: builder.finish(),
    ...builder.trusted ? { trusted: true } : {}
  };
}

// backends/wgsl/functions.ts
var HELPERS = {
  sigmoid: [
    "fn sigmoid(x: TYPE) -> TYPE {",
    "  let e = exp(-abs(x));",
    "  return select(e, TYPE(1.0), x >= TYPE(0.0)) / (1.0 + e);",
    "}"
  ],
  silu: [
    "fn silu(x: TYPE) -> TYPE {",
    "  let e = exp(-abs(x));",
    "  return x * select(e, TYPE(1.0), x >= TYPE(0.0)) / (1.0 + e);",
    "}"
  ],
  gelu: [
    "fn gelu(x: TYPE) -> TYPE {",
    "  let a = abs(x);",
    "  let z = a * 0.70710678;",
    "  let t = 1.0 / (1.0 + 0.5 * z);",
    "  var p = t * -0.059069216 + 0.28457758;",
    "  p = p * t - 0.48720228;",
    "  p = p * t + 0.2780698;",
    "  p = p * t - 0.026627384;",
    "  p = p * t + 0.20268759;",
    "  p = p * t + 0.24310361;",
    "  p = p * t + 0.28237534;",
    "  p = p * t + 0.2820864;",
    "  return max(x, TYPE(0.0)) - a * (0.5 * t * p * exp(-z * z));",
    "}"
  ],
  tanh: [
    "fn tanh(x: TYPE) -> TYPE {",
    "  let a = min(abs(x), TYPE(9.0));",
    "  let s = a * a;",
    "  var p = s * -0.005704989 + 0.020639088;",
    "  p = p * s - 0.053739715;",
    "  p = p * s + 0.13331442;",
    "  p = p * s - 0.33333282;",
    "  let far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);",
    "  let y = select(far, a + a * s * p, a <= TYPE(0.625));",
    "  return select(y, -y, x < TYPE(0.0));",
    "}"
  ],
  gelu_tanh: [
    "fn gelu_tanh(x: TYPE) -> TYPE {",
    "  // x\xB7(1 + tanh u)/2 = x/(1 + exp(\u22122u)), u = \u221A(2/\u03C0)(x + 0.044715x\xB3), written so that no exponential overflows.",
    "  let u = 0.7978845608 * (x + 0.044715 * x * x * x);",
    "  let e = exp(max(-2.0 * abs(u), TYPE(-80.0)));",
    "  return x * select(e, TYPE(1.0), u >= TYPE(0.0)) / (1.0 + e);",
    "}"
  ],
  log: [
    "fn log(x: TYPE) -> TYPE {",
    "  let s = (x - 1.0) / (x + 1.0);",
    "  let q = s * s;",
    "  let near = 2.0 * s * (1.0 + q * (0.33333333 + q * (0.2 + q * (0.14285714 + q * 0.11111111))));",
    "  return select(log(x), near, abs(x - 1.0) < TYPE(0.25));",
    "}"
  ],
  pow: [
    "fn pow(x: TYPE, y: TYPE) -> TYPE {",
    "  let magnitude = select(exp2(y * log2(abs(x))), TYPE(1.0), y == TYPE(0.0));",
    "  let odd = (floor(y) == y) & (floor(y * 0.5) * 2.0 != y);",
    "  return select(magnitude, -magnitude, (x < TYPE(0.0)) & odd);",
    "}"
  ],
  sum4: ["fn sum4(v: vec4<OF>) -> OF {", "  return (v.x + v.y) + (v.z + v.w);", "}"],
  max4: ["fn max4(v: vec4<OF>) -> OF {", "  return max(max(v.x, v.y), max(v.z, v.w));", "}"],
  min4: ["fn min4(v: vec4<OF>) -> OF {", "  return min(min(v.x, v.y), min(v.z, v.w));", "}"]
};
var FLOORING = {
  floordiv: {
    f32: ["fn floordiv(a: TYPE, b: TYPE) -> TYPE {", "  return floor(a / b);", "}"],
    i32: [
      "fn floordiv(a: TYPE, b: TYPE) -> TYPE {",
      "  let q = a / b;",
      "  return select(q, q - 1, ((a < TYPE(0)) != (b < TYPE(0))) & (q * b != a));",
      "}"
    ]
  },
  mod: {
    f32: ["fn mod(a: TYPE, b: TYPE) -> TYPE {", "  return a - floor(a / b) * b;", "}"],
    i32: [
      "fn mod(a: TYPE, b: TYPE) -> TYPE {",
      "  let r = a % b;",
      "  return select(r, r + b, ((r < TYPE(0)) != (b < TYPE(0))) & (r != TYPE(0)));",
      "}"
    ]
  }
};
function isHelper(fn) {
  return HELPERS[fn] !== void 0 || fn === "floordiv" || fn === "mod";
}
function helperName({ fn, of, width }) {
  if (fn === "sum4" || fn === "max4" || fn === "min4") return of === "f32" ? fn : `${fn}_${of}`;
  return `${fn}_${of}${width === 4 ? "x4" : ""}`;
}
function helperText(helper) {
  const { fn, of, width } = helper;
  const lines = fn === "floordiv" || fn === "mod" ? FLOORING[fn][of === "i32" ? "i32" : "f32"] : HELPERS[fn] ?? [];
  if (lines.length === 0) throw new Error(`internal: ${fn} has no helper`);
  const type = width === 4 ? `vec4<${of}>` : of;
  const [head, ...rest2] = lines;
  return [(head ?? "").replace(/^fn \w+/, `fn ${helperName(helper)}`), ...rest2].map(
    (line) => line.replaceAll("TYPE", type).replaceAll("OF", of)
  );
}

// backends/wgsl/print.ts
var BUILTINS = {
  thread: "thread",
  workgroup: "group",
  "call.rows": "call.rows",
  "call.from": "call.first",
  "call.to": "call.limit",
  "call.one": "call.one"
};
var OPERATORS = {
  mul: ["*", 6],
  div: ["/", 6],
  idiv: ["/", 6],
  irem: ["%", 6],
  add: ["+", 5],
  sub: ["-", 5],
  shr: [">>", 4],
  bitand: ["&", 4],
  eq: ["==", 3],
  ne: ["!=", 3],
  lt: ["<", 3],
  le: ["<=", 3],
  gt: [">", 3],
  ge: [">=", 3],
  and: ["&&", 2],
  or: ["||", 1]
};
var VECTOR_OPERATORS = { and: ["&", 2], or: ["|", 1] };
var CALLS = {
  exp: "exp",
  sqrt: "sqrt",
  rsqrt: "inverseSqrt",
  abs: "abs",
  floor: "floor",
  sign: "sign",
  max: "max",
  min: "min",
  select: "select",
  subgroup_add: "subgroupAdd",
  subgroup_max: "subgroupMax",
  subgroup_min: "subgroupMin",
  subgroup_broadcast: "subgroupBroadcast"
};
var ATOM2 = 8;
var UNARY = 7;
function typeName({ of, width }) {
  return width === 1 ? of : `vec4<${of}>`;
}
function printWgsl(program) {
  return new Printer(program).print();
}
var Printer = class {
  program;
  helpers = /* @__PURE__ */ new Map();
  /** Bindings of groups of which single elements are read. */
  elements = /* @__PURE__ */ new Set();
  subgroups = false;
  infinity = false;
  /** Loops around the statement that is being printed. */
  loops = 0;
  lines = [];
  constructor(program) {
    this.program = program;
  }
  print() {
    const { program } = this;
    this.block(program.body, "  ");
    const head = program.header.map((line) => `// ${line}`.trimEnd());
    if (this.subgroups) head.push("enable subgroups;");
    if (program.trusted) head.push("diagnostic(off, subgroup_uniformity);");
    head.push(
      "",
      "struct Call { rows: i32, first: i32, limit: i32, one: i32 }",
      "",
      "@group(0) @binding(0) var<uniform> call: Call;"
    );
    program.bindings.forEach(({ name: name2, access, element, width }, i) => {
      head.push(
        `@group(0) @binding(${i + 1}) var<storage, ${access}> ${name2}: array<${typeName({ of: element, width })}>;`
      );
    });
    for (const i of [...this.elements].sort((a, b) => a - b)) {
      const b = program.bindings[i];
      const at2 = b.name === "i" ? "j" : "i";
      head.push(
        "",
        `fn ${elementName(b)}(${at2}: i32) -> ${b.element} {`,
        `  return ${b.name}[u32(${at2}) / 4][u32(${at2}) % 4];`,
        "}"
      );
    }
    for (const { name: name2, type, count: count2 } of program.shared) {
      head.push(`var<workgroup> ${name2}: array<${typeName(type)}, ${count2}>;`);
    }
    for (const [, helper] of [...this.helpers].sort(([a], [b]) => a < b ? -1 : 1))
      head.push("", ...helperText(helper));
    head.push(
      "",
      `@compute @workgroup_size(${program.workgroup})`,
      "fn main(",
      "  @builtin(local_invocation_index) thread_index: u32,",
      "  @builtin(workgroup_id) group_id: vec3<u32>,",
      "  @builtin(num_workgroups) groups: vec3<u32>,",
      ") {"
    );
    if (this.uses("thread")) head.push("  let thread = i32(thread_index);");
    head.push("  let group = i32(group_id.y * groups.x + group_id.x);");
    if (this.infinity) head.push("  let inf = bitcast<f32>(call.one * 0x7f800000);");
    return {
      name: program.name,
      stage: program.stage,
      language: "wgsl",
      text: `${[...head, ...this.lines, "}"].join("\n")}
`,
      workgroup: program.workgroup,
      bindings: program.bindings.map(({ value: value2, access }) => ({ value: value2, access }))
    };
  }
  uses(name2) {
    const word3 = new RegExp(`\\b${name2}\\b`);
    return this.lines.some((line) => word3.test(line));
  }
  block(statements, indent) {
    for (const statement of statements) this.statement(statement, indent);
  }
  statement(s, indent) {
    const out = (text) => {
      this.lines.push(indent + text);
    };
    switch (s.kind) {
      case "comment":
        out(`// ${s.text}`);
        return;
      case "let":
        out(`let ${s.name} = ${this.text(s.value)};`);
        return;
      case "var": {
        const zero = s.value === void 0 || s.value.kind === "const" && s.value.value === 0;
        const implicit = zero && this.loops === 0;
        const value2 = implicit ? "" : ` = ${this.text(s.value ?? constant3(0, s.type))}`;
        out(`var ${s.name}: ${typeName(s.type)}${value2};`);
        return;
      }
      case "assign":
        out(`${s.name} = ${this.text(s.value)};`);
        return;
      case "accumulate":
        out(`${s.name} += ${this.text(s.value)};`);
        return;
      case "for": {
        const { name: name2 } = s;
        const step = s.step.kind === "const" && s.step.value === 1 ? `${name2}++` : `${name2} += ${this.text(s.step)}`;
        out(`for (var ${name2} = ${this.text(s.from)}; ${name2} < ${this.text(s.to, 4)}; ${step}) {`);
        this.loops++;
        this.block(s.body, `${indent}  `);
        this.loops--;
        out("}");
        return;
      }
      case "if":
        if (s.body.length === 1 && s.body[0]?.kind === "return" && s.otherwise === void 0) {
          out(`if (${this.text(s.cond)}) { return; }`);
          return;
        }
        out(`if (${this.text(s.cond)}) {`);
        this.block(s.body, `${indent}  `);
        if (s.otherwise !== void 0) {
          out("} else {");
          this.block(s.otherwise, `${indent}  `);
        }
        out("}");
        return;
      case "store":
        out(
          s.component === void 0 ? `${this.place(s.binding, s.index, s.value.type.width)} = ${this.text(s.value)};` : `${this.place(s.binding, s.index, 4)}.${"xyzw"[s.component]} = ${this.text(s.value)};`
        );
        return;
      case "store_shared":
        out(`${s.array}[${this.text(s.index)}] = ${this.text(s.value)};`);
        return;
      case "barrier":
        out("workgroupBarrier();");
        return;
      case "return":
        out("return;");
        return;
      default:
        s;
    }
  }
  text(e, least = 0) {
    const { text, level } = this.expr(e);
    return level < least ? `(${text})` : text;
  }
  expr(e) {
    switch (e.kind) {
      case "const":
        return this.constant(e.value, e.type);
      case "var":
        return { text: e.name, level: ATOM2 };
      case "builtin":
        return { text: BUILTINS[e.name], level: ATOM2 };
      case "vector":
        return { text: `${typeName(e.type)}(${e.args.map((a) => this.text(a)).join(", ")})`, level: ATOM2 };
      case "component":
        return { text: `${this.text(e.of, ATOM2)}.${"xyzw"[e.at]}`, level: ATOM2 };
      case "load":
        return { text: this.read(e.binding, e.index, e.type.width), level: ATOM2 };
      case "shared":
        return { text: `${e.array}[${this.text(e.index)}]`, level: ATOM2 };
      case "call":
        return this.call(e.fn, e.args, e.type);
      default:
        return e;
    }
  }
  read(binding, index2, width) {
    const b = this.program.bindings[binding];
    if (b === void 0 || b.width === width || index2.kind === "const")
      return this.place(binding, index2, width);
    this.elements.add(binding);
    return `${elementName(b)}(${this.text(index2)})`;
  }
  /** An element, or a group of four, of a binding. A single element of a binding of groups is a component. */
  place(binding, index2, width) {
    const b = this.program.bindings[binding];
    if (b === void 0) throw new Error(`internal: ${this.program.name} has no binding ${binding}`);
    if (b.width === width) return `${b.name}[${this.text(index2)}]`;
    if (width === 4) throw new Error(`internal: ${b.name} is not bound as groups of four`);
    if (index2.kind === "const") return `${b.name}[${Math.floor(index2.value / 4)}].${"xyzw"[index2.value % 4]}`;
    const at2 = this.text(index2, ATOM2);
    return `${b.name}[${at2} / 4][${at2} % 4]`;
  }
  constant(value2, { of, width }) {
    if (width === 4)
      return {
        text: `${typeName({ of, width })}(${this.constant(value2, { of, width: 1 }).text})`,
        level: ATOM2
      };
    const level = value2 < 0 ? UNARY : ATOM2;
    if (of === "bool") return { text: value2 === 0 ? "false" : "true", level: ATOM2 };
    if (of === "i32") return { text: String(value2), level };
    if (of === "u32") return { text: `${value2}u`, level: ATOM2 };
    const single2 = Math.fround(value2);
    if (Number.isNaN(single2)) throw new Error("internal: a constant is NaN");
    if (!Number.isFinite(single2)) {
      this.infinity = true;
      return { text: single2 < 0 ? "-inf" : "inf", level };
    }
    const short = shortest(single2);
    return { text: /[.e]/.test(short) ? short : `${short}.0`, level };
  }
  call(fn, args, type) {
    const operator2 = (type.width === 4 ? VECTOR_OPERATORS[fn] : void 0) ?? OPERATORS[fn];
    if (operator2 !== void 0) return this.binary(fn, operator2, args);
    if (isHelper(fn)) {
      const of = args[0]?.type ?? type;
      const helper = { fn, of: of.of, width: of.width };
      const name2 = helperName(helper);
      this.helpers.set(name2, helper);
      return { text: `${name2}(${args.map((a) => this.text(a)).join(", ")})`, level: ATOM2 };
    }
    switch (fn) {
      case "neg":
        return { text: `-${this.text(args[0], ATOM2)}`, level: UNARY };
      case "not":
        return { text: `!${this.text(args[0], ATOM2)}`, level: UNARY };
      case "convert":
        return { text: `${typeName(type)}(${this.text(args[0])})`, level: ATOM2 };
      default: {
        const name2 = CALLS[fn];
        if (name2 === void 0) throw new Error(`internal: ${fn} has no spelling in WGSL`);
        if (name2.startsWith("subgroup")) this.subgroups = true;
        return { text: `${name2}(${args.map((a) => this.text(a)).join(", ")})`, level: ATOM2 };
      }
    }
  }
  binary(fn, [symbol, level], args) {
    const [a, b] = args;
    const chain = fn === "and" || fn === "or";
    const strict = chain && a.type.width === 1 ? 3 : level >= 5 ? level : 5;
    const left = chain && a.kind === "call" && a.fn === fn ? this.expr(a).text : this.text(a, strict);
    return { text: `${left} ${symbol} ${this.text(b, chain ? strict : Math.max(level + 1, 5))}`, level };
  }
};
function elementName(binding) {
  return `${binding.name}_element`;
}
var LARGEST_F32 = (2 - 2 ** -23) * 2 ** 127;
function shortest(value2) {
  for (let digits2 = 1; digits2 <= 9; digits2++) {
    const text = value2.toPrecision(digits2);
    const near = Number(text);
    if (Math.fround(near) === value2 && Math.abs(near) <= LARGEST_F32) return String(near);
  }
  return String(value2);
}

// passes/pass.ts
function definePass(pass) {
  return pass;
}

// passes/rewrite.ts
init_indexmap();
init_ops();

// src/ir/prune.ts
function pruneGraph(graph) {
  const live = new Uint8Array(graph.nodes.length);
  for (const { value: value2, logit } of graph.outputs) {
    live[value2.id] = 1;
    if (logit) live[logit.id] = 1;
  }
  for (const node of graph.nodes.toReversed()) {
    if (live[node.id] !== 1) continue;
    for (const input of node.inputs) live[input.id] = 1;
    if (node.rows) live[node.rows.gate] = 1;
  }
  const renamed2 = /* @__PURE__ */ new Map();
  const rename = (operand) => {
    const id = renamed2.get(operand.id);
    if (id === void 0) throw new Error(`internal: %${operand.id} is read and dead`);
    return { ...operand, id };
  };
  const nodes = [];
  for (const node of graph.nodes) {
    if (live[node.id] !== 1) continue;
    renamed2.set(node.id, nodes.length);
    const rows = node.rows && { ...node.rows, gate: rename({ id: node.rows.gate }).id };
    nodes.push({ ...node, id: nodes.length, inputs: node.inputs.map(rename), ...rows && { rows } });
  }
  const outputs = graph.outputs.map(({ logit, ...output }) => ({
    ...output,
    value: rename(output.value),
    ...logit && { logit: rename(logit) }
  }));
  return { ...graph, nodes, outputs };
}

// passes/rewrite.ts
init_stage();
var LEVELS = { load: 1, user: 2, item: 3 };
var Rewriter = class {
  nodes = [];
  became = [];
  graph;
  constants = new ConstantTable((id) => this.nodes[id]);
  constructor(graph) {
    this.graph = graph;
  }
  /** Appends a node; its type comes from the op's shape rule unless given (sources have no operands to ask). */
  add(op, inputs, about, type) {
    const def = opDef(op.kind);
    const types = inputs.map((o) => this.typeOf(o));
    const result = type ?? def.shape(op, types, void 0);
    const stage = about.stage ?? uniform(result.shape, LEVELS[about.program ?? "load"]);
    const node = {
      id: this.nodes.length,
      op,
      inputs,
      type: result,
      stage,
      path: about.path,
      ...about.origin ? { origin: about.origin } : {},
      ...about.program ? { program: about.program } : {},
      ...about.rows ? { rows: about.rows } : {}
    };
    this.nodes.push(node);
    return { id: node.id };
  }
  /** Appends a node whose stage table follows from the op's own rule. */
  derive(op, inputs, about) {
    const def = opDef(op.kind);
    const types = inputs.map((o) => this.typeOf(o));
    const type = def.shape(op, types, void 0);
    const stage = def.stage(
      op,
      inputs.map((o) => this.stageOf(o)),
      type,
      {
        operands: inputs,
        inputs: types,
        node: (id) => this.nodes[id],
        feature: (name2) => this.graph.features.find((f) => f.name === name2),
        constant: (operand) => this.constants.of(operand)
      }
    );
    return this.add(op, inputs, { ...about, stage }, type);
  }
  /** A copy of `node` with its operands carried over. */
  copy(node) {
    const { rows, ...about } = node;
    const made = this.add(
      node.op,
      node.inputs.map((o) => this.operand(o)),
      rows ? { ...about, rows: { ...rows, gate: this.operand({ id: rows.gate }).id } } : about,
      node.type
    );
    this.replace(node.id, made);
    return made;
  }
  /** Records that old value `id` is now `operand` (a view of a new value). */
  replace(id, operand) {
    this.became[id] = operand;
  }
  /** An old operand in terms of the new values. */
  operand(old) {
    const target = this.became[old.id];
    if (!target) throw new Error(`internal: value %${old.id} was read before it was rewritten`);
    return through(target, old.map, (id) => this.nodes[id].type);
  }
  typeOf(operand) {
    const type = this.nodes[operand.id].type;
    return operand.map ? { shape: operand.map.out, dtype: type.dtype } : type;
  }
  stageOf(operand) {
    const stage = this.nodes[operand.id].stage;
    return operand.map ? viewStage(stage, operand.map) : stage;
  }
  /** The new Graph: outputs carried over, nodes that nothing reads dropped. */
  finish() {
    const outputs = this.graph.outputs.map(
      (o) => ({
        ...o,
        value: this.operand(o.value),
        ...o.logit ? { logit: this.operand(o.logit) } : {}
      })
    );
    return pruneGraph({ ...this.graph, nodes: this.nodes, outputs });
  }
};
function through(target, map, typeOf) {
  const composed = map && target.map ? composeMaps(map, target.map) : map ?? target.map;
  if (!composed || isIdentity(composed, typeOf(target.id).shape)) return { id: target.id };
  return { id: target.id, map: composed };
}
function readersOf(graph) {
  const readers = graph.nodes.map(() => []);
  for (const node of graph.nodes) {
    node.inputs.forEach((o, operand) => {
      readers[o.id].push({ node, operand });
    });
  }
  return readers;
}

// passes/assign-layout.ts
var assignLayout = definePass({
  name: "assign-layout",
  summary: "chooses the axis order in which each parameter is packed",
  run(graph) {
    const readers = readersOf(graph);
    const nodes = graph.nodes.map((node) => {
      if (node.op.kind !== "param") return node;
      const orders = readers[node.id].map((r) => contractionOrder(r.node, r.operand));
      const first2 = orders[0];
      if (!first2 || orders.some((o) => !o || o.join() !== first2.join())) return node;
      return first2.every((axis2, i) => axis2 === i) ? node : { ...node, layout: { order: first2 } };
    });
    return { ...graph, nodes };
  }
});
function contractionOrder(reader, k) {
  const { op, inputs } = reader;
  if (op.kind !== "einsum" || inputs.length !== 2 || inputs[k].map) return void 0;
  const mine = op.operands[k];
  const other = op.operands[1 - k];
  const axes = mine.map((_, i) => i);
  const rows = (reader.rows?.axes ?? []).map((a) => op.out[a]);
  const isShared = (l) => rows.includes(l) || other.includes(l) && op.out.includes(l);
  const shared = axes.filter((i) => isShared(mine[i]));
  const contracted = axes.filter((i) => other.includes(mine[i]) && !op.out.includes(mine[i]));
  const own2 = axes.filter((i) => !other.includes(mine[i]) && !isShared(mine[i]));
  return [...shared, ...contracted, ...own2];
}

// passes/contract.ts
init_expr();
init_indexmap();
init_stage();

// passes/contraction/norms.ts
init_expr();
init_stage();
function normAfterProduct(node, op, out) {
  if (node.inputs.length !== 2) return void 0;
  for (const k of [0, 1]) {
    const weight2 = out.operand(node.inputs[1 - k]);
    if (maxLevel(out.stageOf(weight2)) > 1) continue;
    const labels = op.operands[k];
    const summed = labels.filter((l) => !op.out.includes(l));
    if (summed.length !== 1 || labels[labels.length - 1] !== summed[0]) continue;
    const norm = normOf(out.operand(node.inputs[k]), out);
    if (!norm || !hasEarlyChannels(out.stageOf(norm.y))) continue;
    return rewrite(node, op, k, norm, weight2, out);
  }
  return void 0;
}
function rewrite(node, op, k, norm, weight2, out) {
  const about = { path: node.path, origin: node.origin };
  const labels = op.operands[k];
  const product4 = (x) => out.derive(op, k === 0 ? [x, weight2] : [weight2, x], about);
  const pointwise3 = (fn, ...inputs) => out.derive({ kind: "pointwise", fn }, inputs, about);
  const typeOf = (id) => out.nodes[id].type;
  const statistics = out.derive(
    { kind: "row_statistics", norm: norm.op.norm, eps: norm.op.eps },
    [norm.y],
    about
  );
  const outShape = out.typeOf(product4(norm.y)).shape;
  const rows = labels.slice(0, -1).map((l) => axis(`i${op.out.indexOf(l)}`, outShape[op.out.indexOf(l)]));
  const statistic = (which) => through(statistics, { out: outShape, index: [...rows, int(which)] }, typeOf);
  let value2 = product4(norm.gain ? pointwise3("mul", norm.y, norm.gain) : norm.y);
  if (norm.op.norm === "layer") {
    const shape = out.typeOf(norm.y).shape;
    const ones = () => out.add({ kind: "const", value: 1 }, [], about, { shape, dtype: "num" });
    value2 = pointwise3("sub", value2, pointwise3("mul", statistic(0), product4(norm.gain ?? ones())));
  }
  value2 = pointwise3("mul", value2, statistic(1));
  return norm.bias ? pointwise3("add", value2, product4(norm.bias)) : value2;
}
function normOf(operand, out) {
  const rows = operand.map;
  if (rows && !keepsChannels(rows, out.nodes[operand.id])) return void 0;
  const at2 = (o) => o.map ? void 0 : out.nodes[o.id];
  const split2 = (node2, fn) => {
    if (node2.op.kind !== "pointwise" || node2.op.fn !== fn) return void 0;
    for (const i of [0, 1]) {
      const inner = at2(node2.inputs[i]);
      const parameter = node2.inputs[1 - i];
      if (inner && maxLevel(out.stageOf(parameter)) <= 1 && maxLevel(inner.stage) > 1)
        return { inner, parameter };
    }
    return void 0;
  };
  let node = out.nodes[operand.id];
  const biased = split2(node, "add");
  if (biased) node = biased.inner;
  const scaled = split2(node, "mul");
  if (scaled) node = scaled.inner;
  if (node.op.kind !== "normalize") return void 0;
  const seen = (o) => through(o, rows, (id) => out.nodes[id].type);
  return {
    op: node.op,
    y: seen(node.inputs[0]),
    ...scaled ? { gain: seen(scaled.parameter) } : {},
    ...biased ? { bias: seen(biased.parameter) } : {}
  };
}
function keepsChannels({ out, index: index2 }, { type }) {
  const last2 = out.length - 1;
  const whole = out[last2] === type.shape[type.shape.length - 1];
  return index2.every(
    (e, j) => j === index2.length - 1 ? whole && e.kind === "axis" && e.name === `i${last2}` : !axesOf(e).has(`i${last2}`)
  );
}
function hasEarlyChannels(table) {
  const latest3 = maxLevel(table);
  if (latest3 < 3) return false;
  const last2 = table.cuts.length - 1;
  const cuts = table.cuts[last2];
  let early = 0;
  for (let i = 0; i + 1 < cuts.length; i++) {
    let level = 0;
    for (const piece2 of pieces(table)) {
      if (piece2.from[last2] <= cuts[i] && piece2.to[last2] >= cuts[i + 1]) level = Math.max(level, piece2.level);
    }
    if (level < latest3) early += cuts[i + 1] - cuts[i];
  }
  return early * 8 >= cuts[cuts.length - 1];
}

// passes/contract.ts
var contract = definePass({
  name: "contract",
  summary: "orders and associates einsums by cost and gives them the two-operand form of kernels",
  run(graph, { reuse = true }) {
    const out = new Rewriter(graph);
    for (const node of graph.nodes) {
      if (node.op.kind === "einsum")
        out.replace(
          node.id,
          (reuse ? normAfterProduct(node, node.op, out) : void 0) ?? contractEinsum(node, node.op, out, graph)
        );
      else out.copy(node);
    }
    return out.finish();
  }
});
function contractEinsum(node, op, out, graph) {
  const about = { path: node.path, origin: node.origin };
  let factors = node.inputs.map(
    (o, k) => diagonal({ operand: out.operand(o), labels: op.operands[k] }, out)
  );
  factors = factors.map((f, k) => sumPrivate(f, factors, k, op.out, out, about));
  const sizes = sizesOfLabels(factors, out);
  while (factors.length > 2) {
    const [i, j] = cheapestPair(factors, op.out, sizes, out, graph);
    const rest2 = factors.filter((_, k) => k !== i && k !== j);
    const later = /* @__PURE__ */ new Set([...op.out, ...rest2.flatMap((f) => f.labels)]);
    const labels = [.../* @__PURE__ */ new Set([...factors[i].labels, ...factors[j].labels])].filter((l) => later.has(l));
    const pair = { kind: "einsum", operands: [factors[i].labels, factors[j].labels], out: labels };
    const made = out.derive(pair, [factors[i].operand, factors[j].operand], about);
    factors = [...rest2, { operand: made, labels }];
  }
  if (factors.length === 1) return oneFactor(factors[0], op.out, node, out, about);
  const last2 = { kind: "einsum", operands: factors.map((f) => f.labels), out: op.out };
  return out.add(
    last2,
    factors.map((f) => f.operand),
    node,
    node.type
  );
}
function diagonal(factor, out) {
  const labels = [...new Set(factor.labels)];
  if (labels.length === factor.labels.length) return factor;
  const shape = out.typeOf(factor.operand).shape;
  const sizes = labels.map((l) => shape[factor.labels.indexOf(l)]);
  const index2 = factor.labels.map((l) => axis(`i${labels.indexOf(l)}`, sizes[labels.indexOf(l)]));
  return { operand: mapped(factor.operand, { out: sizes, index: index2 }), labels };
}
function mapped(operand, map) {
  return { id: operand.id, map: operand.map ? composeMaps(map, operand.map) : map };
}
function sumPrivate(f, all, k, outLabels, out, about) {
  const elsewhere2 = /* @__PURE__ */ new Set([...outLabels, ...all.flatMap((g, j) => j === k ? [] : g.labels)]);
  const axes = f.labels.flatMap((l, i) => elsewhere2.has(l) ? [] : [i]);
  if (axes.length === 0 || all.length === 1) return f;
  const operand = out.derive({ kind: "reduce", fn: "sum", axes, keep: false }, [f.operand], about);
  return { operand, labels: f.labels.filter((l) => elsewhere2.has(l)) };
}
function oneFactor(f, outLabels, node, out, about) {
  const axes = f.labels.flatMap((l, i) => outLabels.includes(l) ? [] : [i]);
  const kept = f.labels.filter((l) => outLabels.includes(l));
  const summed = axes.length === 0 ? f.operand : out.derive({ kind: "reduce", fn: "sum", axes, keep: false }, [f.operand], about);
  if (kept.every((l, i) => l === outLabels[i])) return summed;
  const shape = node.type.shape;
  const index2 = kept.map((l) => axis(`i${outLabels.indexOf(l)}`, shape[outLabels.indexOf(l)]));
  return mapped(summed, { out: shape, index: index2 });
}
function sizesOfLabels(factors, out) {
  const sizes = /* @__PURE__ */ new Map();
  for (const f of factors) {
    out.typeOf(f.operand).shape.forEach((s, i) => {
      sizes.set(f.labels[i], s);
    });
  }
  return sizes;
}
function cheapestPair(factors, outLabels, sizes, out, graph) {
  const runs2 = [1e-6, 1e-6, graph.serve.requests, graph.serve.candidates];
  const volume = (labels) => {
    let v = 1;
    for (const l of labels) v *= sizes.get(l) ?? 1;
    return v;
  };
  let best = [0, 1];
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < factors.length; i++) {
    for (let j = i + 1; j < factors.length; j++) {
      const both2 = /* @__PURE__ */ new Set([...factors[i].labels, ...factors[j].labels]);
      const rest2 = factors.filter((_, k) => k !== i && k !== j);
      const later = /* @__PURE__ */ new Set([...outLabels, ...rest2.flatMap((f) => f.labels)]);
      const kept = [...both2].filter((l) => later.has(l));
      const level = Math.max(
        maxLevel(out.stageOf(factors[i].operand)),
        maxLevel(out.stageOf(factors[j].operand))
      );
      const after = volume(/* @__PURE__ */ new Set([...kept, ...rest2.flatMap((f) => f.labels)]));
      const all = [...factors].reduce((m, f) => Math.max(m, maxLevel(out.stageOf(f.operand))), 0);
      const cost = volume(both2) * runs2[level] + after * runs2[all] + volume(kept) * 1e-9;
      if (cost < least) {
        least = cost;
        best = [i, j];
      }
    }
  }
  return best;
}

// passes/demand.ts
init_stage();

// passes/restrict.ts
init_expr();
init_indexmap();
init_simplify();
function fullBox(shape) {
  return { from: shape.map(() => 0), to: shape.map((s) => s) };
}
function isFull(box, shape) {
  return shape.every((s, i) => box.from[i] === 0 && box.to[i] === s);
}
function sizesOf(box) {
  return box.to.map((t, i) => t - box.from[i]);
}
function isEmpty(box) {
  return box.to.some((t, i) => t <= box.from[i]);
}
function boxKey(box) {
  return box.from.map((f, i) => `${f}:${box.to[i]}`).join();
}
function joinBoxes(a, b) {
  if (!a || isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  return { from: a.from.map((f, i) => Math.min(f, b.from[i])), to: a.to.map((t, i) => Math.max(t, b.to[i])) };
}
function intersect(a, b) {
  return { from: a.from.map((f, i) => Math.max(f, b.from[i])), to: a.to.map((t, i) => Math.min(t, b.to[i])) };
}
function cuttableAxes(op, rank) {
  const all = Array.from({ length: rank }, () => true);
  switch (op.kind) {
    case "normalize":
    case "row_statistics":
      all[rank - 1] = false;
      return all;
    case "softmax":
    case "top_k_mask":
    case "top_k_index":
      all[op.axis] = false;
      return all;
    case "pad":
      all[op.axis] = false;
      return all;
    default:
      return all;
  }
}
function growBox(op, box, shape) {
  const cuttable = cuttableAxes(op, shape.length);
  return {
    from: box.from.map((f, i) => cuttable[i] ? f : 0),
    to: box.to.map((t, i) => cuttable[i] ? t : shape[i])
  };
}
function operandBox(node, box, k, shapes) {
  const shape = shapes[k];
  const full = fullBox(shape);
  const op = node.op;
  switch (op.kind) {
    case "pointwise":
    case "view":
      return box;
    case "normalize":
    case "softmax":
    case "top_k_mask":
    case "top_k_index":
      return spanning(box, full, op.kind === "normalize" ? shape.length - 1 : op.axis);
    case "pad":
      return spanning(box, full, op.axis);
    case "concat": {
      const start = shapes.slice(0, k).reduce((sum, s) => sum + s[op.axis], 0);
      const end = start + shape[op.axis];
      return {
        from: box.from.map((f, i) => i === op.axis ? Math.max(f, start) - start : f),
        to: box.to.map((t, i) => i === op.axis ? Math.min(t, end) - start : t)
      };
    }
    case "row_statistics":
      return {
        from: [...box.from.slice(0, -1), 0],
        to: [...box.to.slice(0, -1), full.to[full.to.length - 1]]
      };
    case "reduce": {
      let at2 = 0;
      const from = [...full.from];
      const to = [...full.to];
      for (let i = 0; i < shape.length; i++) {
        const reduced = op.axes.includes(i);
        if (!reduced) {
          from[i] = box.from[at2];
          to[i] = box.to[at2];
        }
        if (!reduced || op.keep) at2++;
      }
      return { from, to };
    }
    case "einsum": {
      const from = [...full.from];
      const to = [...full.to];
      op.operands[k].forEach((label, i) => {
        const at2 = op.out.indexOf(label);
        if (at2 < 0) return;
        from[i] = box.from[at2];
        to[i] = box.to[at2];
      });
      return { from, to };
    }
    case "lookup": {
      const indexRank = box.from.length - (shapes[0].length - 1);
      if (k === 1) return { from: box.from.slice(0, indexRank), to: box.to.slice(0, indexRank) };
      return { from: [0, ...box.from.slice(indexRank)], to: [shape[0], ...box.to.slice(indexRank)] };
    }
    case "take": {
      const indexRank = shapes[1].length;
      if (k === 1) return { from: box.from.slice(0, indexRank), to: box.to.slice(0, indexRank) };
      return {
        from: [...box.from.slice(0, op.axis), 0, ...box.from.slice(indexRank)],
        to: [...box.to.slice(0, op.axis), shape[op.axis], ...box.to.slice(indexRank)]
      };
    }
    default:
      return full;
  }
}
function spanning(box, full, at2) {
  return {
    from: box.from.map((f, i) => i === at2 ? full.from[i] : f),
    to: box.to.map((t, i) => i === at2 ? full.to[i] : t)
  };
}
function storedBox(box, map, shape) {
  if (!map) return box;
  const at2 = /* @__PURE__ */ new Map();
  box.from.forEach((f, i) => {
    at2.set(`i${i}`, add(axis(`i${i}`, box.to[i] - f), int(f)));
  });
  const from = [];
  const to = [];
  map.index.forEach((e, i) => {
    const range2 = bounds(simplify(substitute(e, at2)));
    const size = shape[i];
    from.push(range2 ? Math.max(0, range2.lo) : 0);
    to.push(range2 ? Math.min(size, range2.hi + 1) : size);
  });
  return { from, to };
}
function restrictMap(map, shape, box, part) {
  const full = map ?? identityMap(shape);
  const at2 = /* @__PURE__ */ new Map();
  const out = sizesOf(box);
  box.from.forEach((f, i) => {
    at2.set(`i${i}`, f === 0 ? axis(`i${i}`, out[i]) : add(axis(`i${i}`, out[i]), int(f)));
  });
  return { out, index: full.index.map((e, i) => simplify(sub(substitute(e, at2), int(part.from[i])))) };
}
function neededOperands(node, box, shapes) {
  const all = node.inputs.map((_, k) => k);
  return node.op.kind === "concat" ? all.filter((k) => !isEmpty(operandBox(node, box, k, shapes))) : all;
}
function seenShape(operand, nodes) {
  return operand.map?.out ?? nodes[operand.id].type.shape;
}
function isSource(op) {
  return op.kind === "param" || op.kind === "feature" || op.kind === "const" || op.kind === "data" || op.kind === "iota";
}

// passes/demand.ts
var demand = definePass({
  name: "demand",
  summary: "computes only the rows and channels that some output reads",
  run(graph) {
    const wanted = wantedBoxes(graph);
    const out = new Rewriter(graph);
    const parts = [];
    const moved = [];
    for (const node of graph.nodes) {
      const box = wanted[node.id];
      const shape = node.type.shape;
      if (!box || isSource(node.op)) {
        parts[node.id] = fullBox(shape);
        if (box) moved[node.id] = out.copy(node).id;
        continue;
      }
      parts[node.id] = box;
      const shapes = node.inputs.map((o) => seenShape(o, graph.nodes));
      const inputs = neededOperands(node, box, shapes).map((k) => {
        const operand = node.inputs[k];
        const stored2 = graph.nodes[operand.id].type.shape;
        const map = restrictMap(operand.map, stored2, operandBox(node, box, k, shapes), parts[operand.id]);
        return through({ id: moved[operand.id] }, map, (id) => out.nodes[id].type);
      });
      const type = { shape: sizesOf(box), dtype: node.type.dtype };
      const stage = viewStage(node.stage, restrictMap(void 0, shape, box, fullBox(shape)));
      moved[node.id] = out.add(node.op, inputs, { ...node, stage }, type).id;
    }
    graph.nodes.forEach((node) => {
      if (moved[node.id] === void 0) return;
      const part = parts[node.id];
      const shape = node.type.shape;
      if (isFull(part, shape)) out.replace(node.id, { id: moved[node.id] });
      else {
        const map = restrictMap(void 0, shape, fullBox(shape), part);
        out.replace(node.id, { id: moved[node.id], map });
      }
    });
    return out.finish();
  }
});
function wantedBoxes(graph) {
  const wanted = graph.nodes.map(() => void 0);
  const want = (id, box) => {
    if (!isEmpty(box)) wanted[id] = joinBoxes(wanted[id], box);
  };
  for (const o of graph.outputs) {
    for (const read of o.logit ? [o.value, o.logit] : [o.value]) {
      const shape = graph.nodes[read.id].type.shape;
      want(read.id, storedBox(fullBox(seenShape(read, graph.nodes)), read.map, shape));
    }
  }
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id];
    const box = wanted[id];
    if (!box) continue;
    const grown = growBox(node.op, box, node.type.shape);
    wanted[id] = grown;
    const shapes = node.inputs.map((o) => seenShape(o, graph.nodes));
    for (const k of neededOperands(node, grown, shapes)) {
      const operand = node.inputs[k];
      const stored2 = graph.nodes[operand.id].type.shape;
      want(operand.id, storedBox(operandBox(node, grown, k, shapes), operand.map, stored2));
    }
  }
  return wanted;
}

// passes/fold-layout.ts
init_expr();
init_indexmap();
init_simplify();
var foldLayout = definePass({
  name: "fold-layout",
  summary: "composes rearranges, slices and broadcasts into the index maps of the ops that read them",
  run(graph) {
    const out = new Rewriter(graph);
    for (const node of graph.nodes) {
      const inputs = node.inputs.map((o) => pieceOf(out.operand(o), out));
      if (node.op.kind === "view") out.replace(node.id, inputs[0]);
      else out.replace(node.id, out.add(node.op, inputs, node, node.type));
    }
    return out.finish();
  }
});
function pieceOf(operand, out) {
  const node = out.nodes[operand.id];
  if (node.op.kind !== "concat") return operand;
  const map = operand.map ?? identityMap(node.type.shape);
  const axis2 = node.op.axis;
  const range2 = bounds(map.index[axis2]);
  if (!range2) return operand;
  let from = 0;
  for (const input of node.inputs) {
    const shape = input.map?.out ?? out.nodes[input.id].type.shape;
    const size = shape[axis2];
    if (range2.lo >= from && range2.hi < from + size) {
      const index2 = map.index.map((e, i) => i === axis2 ? simplify(sub(e, int(from))) : e);
      const inner = through(input, { out: map.out, index: index2 }, (id) => out.nodes[id].type);
      return pieceOf(inner, out);
    }
    from += size;
  }
  return operand;
}

// passes/fusion/groups.ts
init_scalar();

// passes/fusion/remake.ts
init_expr();
init_scalar();
init_stage();
var MOST_FLOPS = 24;
var MOST_LEAVES = 6;
var ITEM2 = 3;
function expansions(graph) {
  return study(graph).expanded;
}
function study(graph) {
  const making = [];
  const expanded = /* @__PURE__ */ new Set();
  for (const node of graph.nodes) {
    const made = node.program === "item" ? void 0 : makingOf(node, making);
    making[node.id] = made;
    if (!made) continue;
    const own2 = [...made.leaves].filter((id) => graph.nodes[id].program === node.program);
    const parts = own2.reduce((n, id) => n + weight(graph.nodes[id]), 0);
    if (elements2(node) > parts) expanded.add(node.id);
  }
  return { expanded, making };
}
function makingOf(node, making) {
  switch (node.op.kind) {
    case "pointwise":
    case "view":
    case "lookup":
    case "take":
    case "pad":
      break;
    default:
      return void 0;
  }
  let flops = node.op.kind === "pointwise" ? scalarFns[node.op.fn].flops : 0;
  const leaves = /* @__PURE__ */ new Set();
  for (const { id } of node.inputs) {
    const part = making[id];
    if (!part) leaves.add(id);
    else {
      flops += part.flops;
      for (const leaf of part.leaves) leaves.add(leaf);
    }
  }
  return flops <= MOST_FLOPS && leaves.size <= MOST_LEAVES ? { flops, leaves } : void 0;
}
function elements2(node) {
  return node.type.shape.reduce((n, s) => typeof s === "number" ? n * s : n, 1);
}
function weight(node) {
  return node.op.kind === "iota" || node.op.kind === "const" ? 0 : elements2(node);
}
function gatherBeforeExpanding(graph) {
  const { expanded, making } = study(graph);
  const isLate = (n) => n.op.kind === "by_request" && expanded.has(n.inputs[0].id);
  if (!graph.nodes.some(isLate)) return graph;
  const nodes = [];
  const renamed2 = [];
  const gathered = /* @__PURE__ */ new Map();
  const put = (node) => {
    nodes.push({ ...node, id: nodes.length });
    return nodes.length - 1;
  };
  const rename = (o) => ({ ...o, id: renamed2[o.id] });
  const itemOf = (id) => {
    const known = gathered.get(id);
    if (known !== void 0) return known;
    const node = graph.nodes[id];
    const shape = node.type.shape.map((s) => s === "R" ? "N" : s);
    const about = {
      ...node,
      type: { shape, dtype: node.type.dtype },
      stage: uniform(shape, ITEM2),
      program: "item"
    };
    const made = making[id] ? put({
      ...about,
      inputs: node.inputs.map((o) => {
        const later = graph.nodes[o.id].program === "user";
        const to = later ? itemOf(o.id) : renamed2[o.id];
        return o.map ? { id: to, map: perCandidate(o.map) } : { id: to };
      })
    }) : put({ ...about, op: { kind: "by_request" }, inputs: [{ id: renamed2[id] }] });
    gathered.set(id, made);
    return made;
  };
  for (const node of graph.nodes) {
    if (node.op.kind === "by_request") renamed2[node.id] = itemOfGather(node);
    else renamed2[node.id] = put({ ...node, inputs: node.inputs.map(rename) });
  }
  function itemOfGather(node) {
    const [{ id }] = node.inputs;
    if (expanded.has(id)) return itemOf(id);
    const known = gathered.get(id) ?? put({ ...node, inputs: node.inputs.map(rename) });
    gathered.set(id, known);
    return known;
  }
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: rename(o.value),
    ...o.logit ? { logit: rename(o.logit) } : {}
  }));
  return pruneGraph({ ...graph, nodes, outputs });
}
function perCandidate(map) {
  const at2 = new Map(map.out.flatMap((s, i) => s === "R" ? [[`i${i}`, axis(`i${i}`, "N")]] : []));
  return {
    out: map.out.map((s) => s === "R" ? "N" : s),
    index: map.index.map((e) => substitute(e, at2))
  };
}

// passes/fusion/score.ts
init_expr();
init_simplify();
function findScores(context) { if (process.env.NOSCORE) return new Map();
  const found = /* @__PURE__ */ new Map();
  for (const node of context.graph.nodes) {
    if (node.op.kind !== "einsum" || node.program === "load" || node.rows) continue;
    for (const weights of [0, 1]) {
      const pattern = new Search(context, node, node.op, weights).run();
      if (!pattern || [...pattern.inside].some((id) => isTaken(id, found))) continue;
      found.set(node.id, pattern);
      break;
    }
  }
  return found;
}
function isTaken(id, found) {
  return [...found].some(([second, { inside }]) => second === id || inside.has(id));
}
var Search = class {
  context;
  second;
  op;
  weights;
  seen = /* @__PURE__ */ new Map();
  constructor(context, second, op, weights) {
    this.context = context;
    this.second = second;
    this.op = op;
    this.weights = weights;
  }
  run() {
    const { op, second, weights } = this;
    if (op.operands.length !== 2) return void 0;
    const [mine, other] = [op.operands[weights], op.operands[1 - weights]];
    const summed = [.../* @__PURE__ */ new Set([...mine, ...other])].filter((l) => !op.out.includes(l));
    const [j] = summed;
    if (summed.length !== 1 || !mine.includes(j) || !other.includes(j)) return void 0;
    const read = second.inputs[weights];
    const shape = this.shapeOf(read);
    const start = mine.map((l, i) => axis(name(l), shape[i]));
    this.walk(this.place(read, start), name(j));
    const softmax2 = this.softmax(name(j));
    const first2 = this.bestFirst(name(j));
    if (!first2) return void 0;
    const inside = this.between(first2.node.id);
    if (!this.isClosed(inside, first2, softmax2)) return void 0;
    if (softmax2 && !this.isScaledSoftmax(read, softmax2.node.id, inside)) return void 0;
    if (!softmax2 && !this.isFunction(inside, first2.node.id, name(j))) return void 0;
    const keyed = new Set(dependencies(first2, first2.keys));
    const rest2 = op.out.filter((l) => mine.includes(l));
    const batch2 = rest2.filter((l) => other.includes(l) || keyed.has(name(l)));
    const m = rest2.filter((l) => !batch2.includes(l));
    const n = op.out.filter((l) => !mine.includes(l));
    if (n.some((l) => typeof this.shapeOf(second.inputs[1 - weights])[other.indexOf(l)] !== "number"))
      return void 0;
    return {
      second: second.id,
      weights,
      first: first2.node.id,
      keys: first2.keys,
      ...softmax2 ? { softmax: softmax2.node.id } : {},
      offset: softmax2?.offset ?? 0,
      inside,
      batch: batch2,
      m,
      n,
      j
    };
  }
  shapeOf(read) {
    return read.map?.out ?? this.context.graph.nodes[read.id].type.shape;
  }
  place(read, at2) {
    const node = this.context.graph.nodes[read.id];
    if (!read.map) return { node, index: at2 };
    const by = new Map(at2.map((e, i) => [`i${i}`, e]));
    return { node, index: read.map.index.map((e) => simplify(substitute(e, by))) };
  }
  /** Visits what the weights are made of, down to the contractions and stored values. */
  walk(place3, j) {
    const { node, index: index2 } = place3;
    if (!index2.some((e) => axesOf(e).has(j))) return;
    const key = `${node.id}:${index2.map(exprKey).join()}`;
    if (this.seen.has(key)) return;
    if (!isBetween(node.op) && node.op.kind !== "einsum") return;
    this.seen.set(key, place3);
    if (node.op.kind === "softmax" && offsetAlong(place3, node.op.axis, j) === void 0) return;
    if (isBetween(node.op)) for (const read of node.inputs) this.walk(this.place(read, index2), j);
  }
  softmax(j) {
    for (const place3 of this.seen.values()) {
      const { op } = place3.node;
      const offset = op.kind === "softmax" ? offsetAlong(place3, op.axis, j) : void 0;
      if (offset !== void 0) return { ...place3, offset };
    }
    return void 0;
  }
  /** The contraction of the most terms that has j on one side alone, and whose keys are not parameters (a layer's weights). */
  bestFirst(j) {
    let best;
    for (const place3 of this.seen.values()) {
      const { op } = place3.node;
      if (op.kind !== "einsum" || op.operands.length !== 2) continue;
      const terms = this.termsOf(place3.node, op);
      const sides2 = [0, 1].filter((k) => dependencies(place3, k).includes(j));
      if (terms === void 0 || sides2.length !== 1) continue;
      const [keys] = sides2;
      if (this.context.graph.nodes[place3.node.inputs[keys].id].program === "load") continue;
      if (terms > (best?.terms ?? 0)) best = { ...place3, keys, terms };
    }
    return best;
  }
  /** How many terms each sum has; undefined where none is summed or an operand has an axis of its own that is. */
  termsOf(node, op) {
    const summed = op.operands[0].filter((l) => !op.out.includes(l));
    if (summed.length === 0) return void 0;
    if (op.operands.some((labels) => labels.filter((l) => !op.out.includes(l)).length !== summed.length))
      return void 0;
    if (summed.some((l) => !op.operands[1].includes(l))) return void 0;
    const shape = this.shapeOf(node.inputs[0]);
    return summed.reduce((n, l) => n * shape[op.operands[0].indexOf(l)], 1);
  }
  /** Every visited node through which the weights depend on `first`. */
  between(first2) {
    const inside = /* @__PURE__ */ new Set([first2]);
    const ids = [...new Set([...this.seen.values()].map((p) => p.node.id))].sort((a, b) => a - b);
    for (const id of ids) {
      const node = this.context.graph.nodes[id];
      if (isBetween(node.op) && node.inputs.some((o) => inside.has(o.id))) inside.add(id);
    }
    return inside;
  }
  /** Nobody else reads what is between, and the scores are read at one index alone. */
  isClosed(inside, first2, softmax2) {
    const { graph, readers, external } = this.context;
    const values = this.second.inputs[1 - this.weights];
    if (inside.has(values.id) || !inside.has(this.second.inputs[this.weights].id)) return false;
    for (const id of inside) {
      if (external.has(id) || graph.nodes[id].program !== this.second.program) return false;
      if (readers[id].some((r) => r.node !== this.second && !inside.has(r.node.id))) return false;
    }
    const once = (id) => [...this.seen.values()].filter((p) => p.node.id === id).length === 1;
    const softmaxes = [...inside].filter((id) => graph.nodes[id].op.kind === "softmax");
    if (!once(first2.node.id) || softmaxes.length > 1) return false;
    if (softmaxes.length === 0) return softmax2 === void 0;
    return softmax2?.node.id === softmaxes[0] && once(softmaxes[0]);
  }
  /** After the softmax only what multiplies it: products, quotients by others, masks that fill with 0. */
  isScaledSoftmax(read, softmax2, inside) {
    const { nodes } = this.context.graph;
    const node = nodes[read.id];
    if (node.id === softmax2) return true;
    const among = node.inputs.filter((o) => inside.has(o.id));
    const [next] = among;
    if (among.length !== 1) return false;
    const on = () => this.isScaledSoftmax(next, softmax2, inside);
    if (node.op.kind === "view") return on();
    if (node.op.kind !== "pointwise") return false;
    const isZero2 = (o) => {
      const { op } = nodes[o.id];
      return op.kind === "const" && op.value === 0;
    };
    switch (node.op.fn) {
      case "mul":
      case "neg":
        return on();
      case "div":
        return node.inputs[0] === next && on();
      case "where":
        return node.inputs[0] !== next && node.inputs.some(isZero2) && on();
      default:
        return false;
    }
  }
  /**
   * Without a softmax: something between that is no scale (else a product of three, which `contract` orders), and keys that lie
   * along the summed axis, as those of attention do (else a layer with computed weights).
   */
  isFunction(inside, first2, j) {
    const node = this.context.graph.nodes[first2];
    if (node.op.kind !== "einsum") return false;
    const { op } = node;
    const adjacent = op.operands.some((labels) => {
      const last2 = labels[labels.length - 1];
      return labels.some((l) => op.out.includes(l)) && !op.out.includes(last2);
    });
    if (!adjacent) return false;
    return [...this.seen.values()].some(({ node: at2, index: index2 }) => {
      if (!inside.has(at2.id) || at2.op.kind !== "pointwise") return false;
      const scales = at2.op.fn === "mul" || at2.op.fn === "div" || at2.op.fn === "neg";
      if (!scales) return true;
      return at2.inputs.some((o) => {
        if (inside.has(o.id)) return false;
        return this.place(o, index2).index.some((e) => axesOf(e).has(j));
      });
    });
  }
};
function name(label) {
  return `l${label}`;
}
function isBetween(op) {
  return op.kind === "pointwise" || op.kind === "view" || op.kind === "softmax";
}
function offsetAlong({ index: index2 }, along, j) {
  const form = affineIn(index2[along], j);
  if (form?.coef !== 1 || form.rest.kind !== "const") return void 0;
  return index2.every((e, i) => i === along || !axesOf(e).has(j)) ? form.rest.value : void 0;
}
function dependencies({ node, index: index2 }, k) {
  const { op } = node;
  if (op.kind !== "einsum") return [];
  const axes = /* @__PURE__ */ new Map();
  for (const label of op.operands[k]) {
    const at2 = op.out.indexOf(label);
    if (at2 >= 0) for (const [n, a] of axesOf(index2[at2])) axes.set(n, a);
  }
  return [...axes.keys()];
}

// passes/fusion/groups.ts
var RECOMPUTE_LIMIT = 8;
var LONGEST_CHAIN = 32;
var DEEPEST = 48;
var LARGEST2 = 64;
function isAnchor(node) {
  const { op } = node;
  switch (op.kind) {
    case "einsum":
      return op.operands.flat().some((l) => !op.out.includes(l));
    case "reduce":
    case "normalize":
    case "row_statistics":
    case "softmax":
      return true;
    default:
      return false;
  }
}
function groupNodes(graph, storageBuffers) {
  const { nodes } = graph;
  const readers = readersOf(graph);
  const external = /* @__PURE__ */ new Set();
  const expanded = expansions(graph);
  for (const o of graph.outputs) {
    external.add(o.value.id);
    if (o.logit) external.add(o.logit.id);
  }
  for (const node of nodes) {
    for (const input of node.inputs) {
      const from = nodes[input.id];
      if (from.program === "load" && expanded.has(input.id)) continue;
      if (!isSource(from.op) && from.op.kind !== "by_request" && from.program !== node.program)
        external.add(input.id);
      if (node.op.kind === "by_request" && !isSource(from.op)) external.add(input.id);
    }
  }
  const gates = new Set(nodes.flatMap((n) => n.rows ? [n.rows.gate] : []));
  for (const id of gates) external.add(id);
  const scores = findScores({ graph, readers, external });
  const inside = new Set([...scores.values()].flatMap((s) => [...s.inside]));
  const chains = /* @__PURE__ */ new Map();
  const claimed = /* @__PURE__ */ new Set();
  const isPlain = (o) => o.map === void 0;
  for (let id = nodes.length - 1; id >= 0; id--) {
    const anchor = nodes[id];
    if (!isAnchor(anchor) || inside.has(id)) continue;
    const chain = [id];
    for (let at2 = anchor; ; ) {
      if (gates.has(at2.id)) break;
      const next = nextInChain(
        at2,
        readers[at2.id].map((r) => r.node)
      );
      if (!next || claimed.has(next.id) || inside.has(next.id) || chain.length > LONGEST_CHAIN) break;
      if (!next.inputs.every((o) => o.id !== at2.id || isPlain(o))) break;
      chain.push(next.id);
      claimed.add(next.id);
      at2 = next;
    }
    chains.set(id, chain);
  }
  const stored2 = /* @__PURE__ */ new Set();
  for (const [, chain] of chains) {
    stored2.add(chain[chain.length - 1]);
    for (const id of chain) if (external.has(id)) stored2.add(id);
  }
  for (const id of external) if (!isSource(nodes[id].op)) stored2.add(id);
  storeTheCostly(graph, readers, stored2, claimed, inside);
  const groups2 = [...chains].map(([anchor, chain]) => {
    const score = scores.get(anchor);
    return { anchor, chain, root: chain[chain.length - 1], ...score ? { score } : {} };
  });
  const inChain = new Set([...chains.values()].flat());
  for (const id of stored2) if (!inChain.has(id)) groups2.push({ chain: [id], root: id });
  for (const group of groups2) {
    for (const id of boundLeaves(graph, group, stored2, storageBuffers)) {
      stored2.add(id);
      groups2.push({ chain: [id], root: id });
    }
  }
  groups2.sort((a, b) => a.root - b.root);
  return { groups: groups2, stored: stored2 };
}
function nextInChain(at2, readers) {
  const next = readers[0];
  if (!next || readers.some((r) => r.id !== next.id)) return void 0;
  if (next.op.kind !== "pointwise" || next.program !== at2.program) return void 0;
  if (next.rows?.gate !== at2.rows?.gate) return void 0;
  const same2 = next.type.shape.length === at2.type.shape.length && next.type.shape.every((s, i) => s === at2.type.shape[i]);
  return same2 ? next : void 0;
}
function storeTheCostly(graph, readers, stored2, claimed, inside) {
  const cost = new Float64Array(graph.nodes.length);
  const size = new Float64Array(graph.nodes.length);
  const depth = new Int32Array(graph.nodes.length);
  for (const node of graph.nodes) {
    if (isSource(node.op) || isAnchor(node) || stored2.has(node.id)) continue;
    const own2 = node.op.kind === "pointwise" ? scalarFns[node.op.fn].flops : 0;
    cost[node.id] = node.inputs.reduce((sum, o) => sum + cost[o.id], own2);
    size[node.id] = node.inputs.reduce((sum, o) => sum + size[o.id], 1);
    depth[node.id] = node.inputs.reduce((most, o) => Math.max(most, depth[o.id]), 0) + 1;
    if (claimed.has(node.id) || inside.has(node.id)) continue;
    const used = readers[node.id].filter(
      (r) => !(inside.has(r.node.id) && elements3(r.node) === elements3(node))
    );
    const repeated = used.length > 1 || used.some((r) => r.node.op.kind === "einsum" && isAnchor(r.node));
    const costly = cost[node.id] >= RECOMPUTE_LIMIT || size[node.id] >= LARGEST2;
    if (repeated && costly || depth[node.id] > DEEPEST) {
      stored2.add(node.id);
      cost[node.id] = 0;
      size[node.id] = 0;
      depth[node.id] = 0;
    }
  }
}
function elements3(node) {
  return node.type.shape.reduce((n, s) => typeof s === "number" ? n * s : n, 1);
}
function boundLeaves(graph, group, stored2, most) {
  const added = /* @__PURE__ */ new Set();
  const own2 = graph.nodes[group.root].rows;
  const leavesOf = (id, into) => {
    const node = graph.nodes[id];
    for (const o of node.inputs) {
      const from = graph.nodes[o.id];
      if (group.chain.includes(o.id)) leavesOf(o.id, into);
      else if (stored2.has(o.id) || added.has(o.id) || from.op.kind === "param" || from.op.kind === "feature" || from.op.kind === "data") {
        into.add(o.id);
        if (from.rows && from.rows.gate !== own2?.gate) into.add(-2 - from.rows.gate);
      } else {
        if (from.op.kind === "by_request") into.add(-1);
        leavesOf(o.id, into);
      }
    }
    return into;
  };
  const inlineOf = (id, into) => {
    for (const o of graph.nodes[id].inputs) {
      const from = graph.nodes[o.id];
      if (stored2.has(o.id) || added.has(o.id) || isSource(from.op) || into.has(o.id)) continue;
      const free = !group.chain.includes(o.id) && !group.score?.inside.has(o.id);
      if (free && from.op.kind !== "by_request") into.add(o.id);
      inlineOf(o.id, into);
    }
    return into;
  };
  const tables = own2 ? 2 : 0;
  const outputs = group.chain.filter((id) => stored2.has(id)).length + tables;
  for (; ; ) {
    const total = leavesOf(group.root, /* @__PURE__ */ new Set()).size + outputs;
    if (total <= most) return [...added];
    let best;
    for (const id of inlineOf(group.root, /* @__PURE__ */ new Set())) {
      const leaves = leavesOf(id, /* @__PURE__ */ new Set()).size;
      if (leaves >= 2 && leaves < most && leaves > (best?.leaves ?? 1)) best = { id, leaves };
    }
    if (!best) return [...added];
    added.add(best.id);
  }
}

// passes/fusion/kernel.ts
init_expr();
init_def();
init_ops();
init_simplify();
init_tile();

// passes/fusion/names.ts
var Names = class {
  taken = /* @__PURE__ */ new Set();
  unique(wanted) {
    const base = identifier2(wanted);
    let name2 = base;
    for (let i = 2; this.taken.has(name2); i++) name2 = `${base}_${i}`;
    this.taken.add(name2);
    return name2;
  }
};
function identifier2(path) {
  const clean = path.replace(/[^A-Za-z0-9_]+/g, "_").replace(/_+/g, "_").replace(/^_+|_+$/g, "");
  return /^[A-Za-z]/.test(clean) ? clean : `v_${clean}`;
}
var INNER = ["d", "e", "f", "g"];
var OUTER = {
  0: [],
  1: ["d"],
  2: ["t", "d"],
  3: ["h", "t", "d"],
  4: ["b", "h", "t", "d"]
};
function axisNames(shape) {
  const batch2 = shape.length > 0 && typeof shape[0] !== "number" ? [shape[0] === "N" ? "n" : "r"] : [];
  const rest2 = shape.length - batch2.length;
  const own2 = OUTER[rest2] ?? Array.from({ length: rest2 }, (_, i) => `a${i}`);
  return [...batch2, ...own2];
}
function innerNames(count2, taken) {
  const free = ["k", "j", "l", "p", "q", ...INNER].filter((n) => !taken.includes(n));
  return Array.from({ length: count2 }, (_, i) => free[i] ?? `k${i}`);
}

// passes/fusion/rows.ts
init_expr();
init_simplify();
var product2 = (sizes) => sizes.reduce((p, s) => p * s, 1);
var RowLists = class {
  graph;
  values;
  known = /* @__PURE__ */ new Map();
  users = /* @__PURE__ */ new Map();
  constructor(graph, values) {
    this.graph = graph;
    this.values = values;
  }
  of({ gate: id, groups: groups2, most }) {
    const known = this.known.get(id);
    if (known) return known;
    const gate = this.graph.nodes[id];
    const { shape } = gate.type;
    const stage = gate.program ?? "load";
    const of = shape[0];
    if (typeof of === "number") throw new Error(`internal: the gate %${id} has no batch axis`);
    const members = shape.map((_, a) => a).filter((a) => !groups2.includes(a));
    const own2 = product2(members.slice(1).map((a) => shape[a]));
    const count2 = product2(groups2.map((a) => shape[a]));
    const table = (name2, own3, launches = false) => this.values.table(`${gate.path || "gate"}.${name2}`, own3, { kind: "list", stage, launches }).id;
    const list = {
      members: { of, times: own2 },
      groups: count2,
      most,
      tile: 1,
      counts: table("counts", [count2]),
      rows: table("rows", [of, most]),
      places: table("places", [of, own2, count2]),
      tiles: table("tiles", [of, most + 1, 4]),
      launches: table("launches", [1, 4], true)
    };
    const made = { gate, list, members, groups: groups2 };
    this.known.set(id, made);
    return made;
  }
  /** The place in `launches` of one more kernel that runs over the list. */
  launch({ gate, list }) {
    const index2 = this.users.get(gate.id) ?? 0;
    this.users.set(gate.id, index2 + 1);
    this.values.resize(list.launches, [index2 + 1, 4]);
    return index2;
  }
  planRows(rows) {
    const { list, members, groups: groups2 } = this.of(rows);
    const own2 = (a) => rows.axes[a];
    return { places: list.places, members: members.map(own2), groups: groups2.map(own2) };
  }
  /** Element `index` (of the dense shape) of a value at active rows: 0 where its row is not. */
  read(value2, rows, index2) {
    const { list, members, groups: groups2, gate } = this.of(rows);
    const { shape } = gate.type;
    const at2 = (a) => index2[rows.axes[a]];
    const [batch2, ...rest2] = members;
    const place3 = load(
      list.places,
      [
        at2(batch2),
        flat(
          rest2.map(at2),
          rest2.map((a) => shape[a])
        ),
        flat(
          groups2.map(at2),
          groups2.map((a) => shape[a])
        )
      ].map(simplify),
      "i32"
    );
    const element = load(
      value2.id,
      stored(max(place3, int(0)), rows, index2),
      value2.element === "f32" ? "num" : "i32"
    );
    return where(ge(place3, int(0)), element, value2.element === "f32" ? num(0) : int(0));
  }
};
function stored(at2, { axes, most }, index2) {
  const rest2 = index2.filter((_, a) => !axes.includes(a));
  return [floordiv(at2, int(most)), mod(at2, int(most)), ...rest2].map(simplify);
}
function storedShape(shape, { axes, most }) {
  return [shape[0], most, ...shape.filter((_, a) => !axes.includes(a))];
}
var RowPoint = class {
  grid;
  /** For each axis of the gate, where the row lies along it. */
  index;
  at;
  rows;
  /** `tiled`: a workgroup's rows are of one group, whose axes it knows without asking for the row. */
  constructor({ gate, list, members, groups: groups2 }, rows, tiled2) {
    const { shape } = gate.type;
    if (typeof list.members === "number") throw new Error("internal: a list without a batch axis");
    const extent2 = { of: list.members.of, times: list.most };
    this.rows = rows;
    this.at = axis("a", extent2);
    const number = max(
      load(list.rows, [floordiv(this.at, int(list.most)), mod(this.at, int(list.most))], "i32"),
      int(0)
    );
    const sizes = groups2.map((a) => shape[a]);
    const names = groupNames(groups2.length);
    const own2 = tiled2 ? sizes.map((s, i) => axis(names[i], s)) : digits(mod(number, int(list.groups)), sizes);
    const others = members.slice(1).map((a) => shape[a]);
    const member = floordiv(number, int(list.groups));
    const inner = digits(mod(member, int(product2(others))), others);
    const index2 = [];
    index2[members[0]] = simplify(floordiv(member, int(product2(others))));
    members.slice(1).forEach((a, i) => {
      index2[a] = inner[i];
    });
    groups2.forEach((a, i) => {
      index2[a] = own2[i];
    });
    this.index = index2;
    const group = tiled2 ? { group: sizes.map((s, i) => ({ name: names[i], extent: s })) } : {};
    this.grid = { name: "a", extent: extent2, tile: 1, rows: { tiles: list.tiles, times: 1, ...group } };
  }
  /** Where along `axis` of a value with these rows the point lies; undefined for an axis that is no row's. */
  along(axis2) {
    const a = this.rows.axes.indexOf(axis2);
    return a < 0 ? void 0 : this.index[a];
  }
  /** Whether `index` of a value with `rows` is this very row. */
  covers(rows, index2) {
    return rows.gate === this.rows.gate && rows.axes.every((a, i) => sameExpr(index2[a], this.index[i]));
  }
  /** The stored index of a value that has this row. */
  stored(rows, index2) {
    return stored(this.at, rows, index2);
  }
};
function groupNames(count2) {
  if (count2 <= 2) return ["token", "expert"].slice(2 - count2);
  return Array.from({ length: count2 }, (_, i) => `group${i}`);
}
function digits(e, sizes) {
  const out = [];
  let inner = 1;
  for (let i = sizes.length - 1; i >= 0; i--) {
    const rest2 = floordiv(e, int(inner));
    out[i] = simplify(i === 0 ? rest2 : mod(rest2, int(sizes[i])));
    inner *= sizes[i];
  }
  return out;
}
function flat(index2, sizes) {
  return index2.reduce((sum, e, i) => add(mul(sum, int(sizes[i])), e), int(0));
}

// passes/fusion/scorekernel.ts
init_expr();
init_simplify();

// passes/fusion/visible.ts
init_expr();
init_simplify();
function visibleRange(weight2, j, extent2, nothing) {
  const from = [];
  const to = [];
  for (const condition of conditions(weight2, nothing)) {
    const side2 = boundOf(condition, j);
    if (side2?.from) from.push(side2.from);
    if (side2?.to) to.push(side2.to);
  }
  const first2 = from.length > 0 ? simplify(from.reduce(max)) : void 0;
  const end = to.length > 0 ? simplify(to.reduce(min)) : void 0;
  const result = {
    ...first2 && (bounds(first2)?.hi ?? 1) > 0 ? { from: first2 } : {},
    ...end && (bounds(end)?.lo ?? 0) < extent2 ? { to: end } : {}
  };
  return result.from || result.to ? result : void 0;
}
function conditions(e, nothing) {
  if (e.kind !== "apply") return [];
  const [a, b, c] = e.args;
  const is = (x) => x.kind === "const" && x.value === nothing;
  switch (e.fn) {
    case "where":
      if (is(c)) return [...conjuncts(a), ...conditions(b, nothing)];
      return is(b) ? [...conjuncts(not(a)), ...conditions(c, nothing)] : [];
    case "add":
      return nothing === 0 ? [] : [...conditions(a, nothing), ...conditions(b, nothing)];
    case "sub":
      return nothing === 0 ? [] : conditions(a, nothing);
    case "mul":
      if (nothing === 0) return [...conditions(a, nothing), ...conditions(b, nothing)];
      if (a.kind === "const" && a.value > 0) return conditions(b, nothing);
      return b.kind === "const" && b.value > 0 ? conditions(a, nothing) : [];
    case "div":
      return nothing === 0 || b.kind === "const" && b.value > 0 ? conditions(a, nothing) : [];
    case "to_num":
      return nothing === 0 && a.type === "bool" ? conjuncts(a) : [];
    case "relu":
    case "silu":
    case "gelu":
    case "gelu_tanh":
    case "tanh":
    case "neg":
      return nothing === 0 ? conditions(a, nothing) : [];
    default:
      return [];
  }
}
function conjuncts(e) {
  if (e.kind !== "apply") return [];
  const [a, b, c] = e.args;
  if (e.fn === "and") return [...conjuncts(a), ...conjuncts(b)];
  if (e.fn === "where" && c.kind === "const" && c.value === 0) return [...conjuncts(a), ...conjuncts(b)];
  if (e.fn === "not" && a.kind === "apply") {
    if (a.fn === "or") return a.args.flatMap((x) => conjuncts(not(x)));
    const turned = simplify(e);
    return turned.kind === "apply" && turned.fn === "not" ? [] : conjuncts(turned);
  }
  return [e];
}
function boundOf(e, j) {
  if (e.kind !== "apply") return void 0;
  const [a, b] = e.args;
  if (a?.type !== "i32" || b?.type !== "i32") return void 0;
  const form = affineIn(apply("sub", a, b), j);
  if (form === void 0 || Math.abs(form.coef) !== 1 || axesOf(form.rest).has(j)) return void 0;
  const rising = form.coef === 1;
  const at2 = rising ? neg(form.rest) : form.rest;
  const after = add(at2, int(1));
  const below2 = { to: simplify(at2) };
  const upTo = { to: simplify(after) };
  const above = { from: simplify(after) };
  const onward = { from: simplify(at2) };
  switch (e.fn) {
    case "lt":
      return rising ? below2 : above;
    case "le":
      return rising ? upTo : onward;
    case "gt":
      return rising ? above : below2;
    case "ge":
      return rising ? onward : upTo;
    case "eq":
      return { ...onward, ...upTo };
    default:
      return void 0;
  }
}

// passes/fusion/scorekernel.ts
function scoreStatement(second, pattern, parts) {
  const { graph } = parts;
  const first2 = graph.nodes[pattern.first];
  if (second.op.kind !== "einsum" || first2.op.kind !== "einsum")
    throw new Error(`internal: the score product %${second.id} is of no contractions`);
  const [outer, core] = [second.op, first2.op];
  const sizes = parts.labelSizes(second, outer);
  const names = axisNames(second.type.shape);
  const nameOf2 = (labels, several2) => labels.length === 1 ? names[outer.out.indexOf(labels[0])] : several2;
  const at2 = /* @__PURE__ */ new Map();
  for (const l of pattern.batch) at2.set(l, parts.addGrid(nameOf2([l], ""), sizes.get(l) ?? 1));
  const n = parts.flatten(pattern.n, sizes, nameOf2(pattern.n, "c"), at2);
  const m = parts.flatten(pattern.m, sizes, nameOf2(pattern.m, "m"), at2);
  const [k, j] = innerNames(2, [...names, "m", "c"]);
  const outerOperand = (which, jAt2) => {
    at2.set(pattern.j, jAt2);
    return simplify(
      parts.read(
        second,
        which,
        outer.operands[which].map((l) => at2.get(l) ?? int(0))
      )
    );
  };
  const between = (jAt2) => readBetween(pattern, first2.id, parts, () => outerOperand(pattern.weights, jAt2));
  const nothing = pattern.softmax === void 0 ? 0 : Number.NEGATIVE_INFINITY;
  const length2 = sizes.get(pattern.j);
  const whole = softmaxLength(pattern, graph) ?? length2;
  const { offset } = pattern;
  const overWhole = sub(axis(j, whole), int(offset));
  const seen = whole === length2 ? void 0 : visibleRange(between(overWhole).weight, j, whole, nothing);
  const below2 = seen?.from ? bounds(seen.from)?.lo ?? 0 : 0;
  const above = seen?.to ? bounds(seen.to)?.hi ?? whole : whole;
  const short = below2 >= offset && above <= offset + length2;
  const extent2 = short ? length2 : whole;
  const jAt = short ? axis(j, length2) : overWhole;
  parts.addInner(j, extent2);
  const { weight: weight2, gain, scoreAt } = between(jAt);
  const inner = parts.labelSizes(first2, core);
  const scored = new Map(core.out.map((l, i) => [l, scoreAt[i]]));
  const summed = core.operands[0].filter((l) => !scored.has(l));
  const terms = summed.reduce((p, l) => p * inner.get(l), 1);
  parts.split(parts.addInner(k, terms), summed, inner, scored);
  const factor = (which) => simplify(
    parts.read(
      first2,
      which,
      core.operands[which].map((l) => scored.get(l) ?? int(0))
    )
  );
  const visible = visibleRange(weight2, j, extent2, nothing);
  const inside = (value2) => {
    if (short) return value2(jAt);
    const held = simplify(min(max(jAt, int(0)), int(length2 - 1)));
    return simplify(where(and(ge(jAt, int(0)), lt(jAt, int(length2))), value2(held), num(0)));
  };
  const statement = {
    kind: "score",
    out: "acc",
    m,
    n,
    j,
    k,
    a: factor(1 - pattern.keys),
    b: factor(pattern.keys),
    score: "score",
    weight: weight2,
    norm: pattern.softmax === void 0 ? "none" : "softmax",
    ...gain && !(gain.kind === "const" && gain.value === 1) ? { gain } : {},
    v: inside((e) => outerOperand(1 - pattern.weights, e)),
    ...visible ? { visible } : {}
  };
  return { statement, index: outer.out.map((l) => at2.get(l) ?? int(0)) };
}
function readBetween({ softmax: softmax2 }, first2, parts, weights) {
  let scoreAt = [];
  const score = (index2) => {
    scoreAt = index2;
    return tile("score", "num");
  };
  if (softmax2 === void 0) {
    const weight3 = parts.withStandIn(first2, score, weights);
    return { weight: weight3, gain: void 0, scoreAt };
  }
  let softmaxAt = [];
  const one = (index2) => {
    softmaxAt = index2;
    return num(1);
  };
  const gain = parts.withStandIn(softmax2, one, weights);
  const node = parts.graph.nodes[softmax2];
  const weight2 = parts.withStandIn(first2, score, () => simplify(parts.read(node, 0, softmaxAt)));
  return { weight: weight2, gain, scoreAt };
}
function softmaxLength({ softmax: softmax2 }, graph) {
  if (softmax2 === void 0) return void 0;
  const { op, type } = graph.nodes[softmax2];
  return op.kind === "softmax" ? type.shape[op.axis] : void 0;
}

// passes/fusion/kernel.ts
var NOTHING_VISIBLE = -3e38;
function buildKernel(group, context) {
  return new KernelBuilder(group, context).build();
}
function buildListKernels(list, context) {
  const { id } = list.gate;
  return new KernelBuilder({ chain: [id], root: id }, context).lists(list);
}
var KernelBuilder = class {
  group;
  context;
  root;
  stage;
  grid = [];
  inner = [];
  body = [];
  inlined = /* @__PURE__ */ new Set();
  /** Values that stand for something else while a score product's parts are read. */
  standIns = /* @__PURE__ */ new Map();
  /** Of a kernel over a gate's active rows. */
  row;
  constructor(group, context) {
    this.group = group;
    this.context = context;
    this.root = context.graph.nodes[group.root];
    this.stage = this.root.program ?? "load";
  }
  build() {
    const { anchor } = this.group;
    const node = anchor === void 0 ? void 0 : this.context.graph.nodes[anchor];
    if (!node) this.elementWise();
    else if (this.group.score) this.scoreProduct(node, this.group.score);
    else if (node.op.kind === "einsum") this.contraction(node, node.op);
    else if (node.op.kind === "reduce") this.reduction(node, node.op);
    else if (node.op.kind === "normalize") this.norm(node, node.op);
    else if (node.op.kind === "row_statistics") this.rowStatistics(node, node.op);
    else if (node.op.kind === "softmax") this.softmax(node, node.op);
    else throw new Error(`internal: ${node.op.kind} is no anchor`);
    return this.finish();
  }
  lists({ gate, list, members, groups: groups2 }) {
    const { shape } = gate.type;
    const index2 = [];
    const place3 = (flat2, axes) => {
      const at2 = /* @__PURE__ */ new Map();
      split(flat2, axes, new Map(axes.map((a) => [a, shape[a]])), at2);
      for (const a of axes) index2[a] = at2.get(a) ?? int(0);
    };
    place3(axis("m", list.members), members);
    place3(axis("g", list.groups), groups2);
    const active = simplify(ne(this.loaded(gate, index2), num(0)));
    const reads = buffersOf([{ kind: "let", out: "active", value: active }]);
    const write = (value2) => ({ value: value2, access: "write" });
    const kernel = (step, fused, buffers) => ({
      name: this.context.names.unique(`${gate.path || "gate"}.${step === "count" ? "count" : "rows"}`),
      stage: this.stage,
      grid: [{ name: "g", extent: list.groups, tile: 1 }],
      inner: [],
      body: [],
      buffers: [...reads, ...buffers],
      lists: { step, list, active, launches: [] },
      lowering: { kind: "list", threads: 1 },
      about: {
        fused: [fused],
        flops: 0,
        bytes: this.bytesOf([...reads, ...buffers]),
        ...gate.origin ? { origin: gate.origin } : {}
      },
      roots: []
    });
    const { counts, rows, places, tiles, launches } = list;
    return [
      kernel("count", `${gate.path}: how many rows are not 0`, [write(counts)]),
      kernel("list", `${gate.path}: which rows are not 0`, [
        { value: counts, access: "read" },
        ...[rows, places, tiles, launches].map(write)
      ])
    ];
  }
  // ------------------------------------------------------------------------------------------------ anchors
  elementWise() {
    const index2 = this.gridOf(this.root.type.shape, axisNames(this.root.type.shape));
    this.stores(index2, [], this.element(this.root, index2));
  }
  contraction(node, op) {
    const sizes = this.labelSizes(node, op);
    const roles = node.rows ? rowRoles(node, op, sizes, this.context.graph) : dotRoles(node, op, sizes, this.context.graph);
    if (!roles) {
      this.summedProduct(node, op, sizes);
      return;
    }
    const names = axisNames(node.type.shape);
    const nameOf2 = (label) => names[op.out.indexOf(label)];
    const at2 = /* @__PURE__ */ new Map();
    for (const label of roles.batch) at2.set(label, this.addGrid(nameOf2(label), sizes.get(label) ?? 1));
    const n = this.flatten(roles.n, sizes, roles.n.length === 1 ? nameOf2(roles.n[0]) : "c", at2);
    const m = node.rows ? this.rowsOfProduct(node.rows, op, at2) : this.flatten(roles.m, sizes, roles.m.length === 1 ? nameOf2(roles.m[0]) : "m", at2);
    const k = innerNames(1, [...names, "m", "c"])[0];
    const extent2 = roles.k.reduce((p, l) => p * sizes.get(l), 1);
    this.inner.push({ name: k, extent: extent2, step: 1 });
    split(axis(k, extent2), roles.k, sizes, at2);
    const read = (which) => this.operand(node, which)(op.operands[which].map((l) => at2.get(l) ?? int(0)));
    const factors = { a: simplify(read(roles.a)), b: simplify(read(1 - roles.a)) };
    this.body.push({ kind: "dot", out: "acc", m, n, k, ...factors });
    this.epilogue(
      node,
      op.out.map((l) => at2.get(l) ?? int(0)),
      [],
      tile("acc", "num")
    );
  }
  /** Two contractions with a function of their pairs between (see score.ts): the pairs become tiles that are never stored. */
  scoreProduct(second, pattern) {
    for (const id of pattern.inside) this.inlined.add(id);
    const { statement, index: index2 } = scoreStatement(second, pattern, {
      graph: this.context.graph,
      addGrid: (name2, extent2) => this.addGrid(name2, extent2),
      addInner: (name2, extent2) => this.addInner(name2, extent2),
      flatten: (labels, sizes, name2, at2) => this.flatten(labels, sizes, name2, at2),
      split,
      labelSizes: (node, op) => this.labelSizes(node, op),
      read: (node, k, at2) => this.operand(node, k)(at2),
      withStandIn: (id, value2, read) => this.withStandIn(id, value2, read)
    });
    this.body.push(statement);
    this.epilogue(second, index2, [], tile("acc", "num"));
  }
  /** Reads with value `id` standing for something else. */
  withStandIn(id, value2, read) {
    this.standIns.set(id, value2);
    const result = read();
    this.standIns.delete(id);
    return result;
  }
  /** A contraction too thin for a matrix product: one sum per element of the result. */
  summedProduct(node, op, sizes) {
    const names = axisNames(node.type.shape);
    const index2 = this.gridOf(node.type.shape, names);
    const summed = [...new Set(op.operands.flat())].filter((l) => !op.out.includes(l));
    const inner = innerNames(summed.length, names);
    const at2 = new Map(op.out.map((l, i) => [l, index2[i]]));
    summed.forEach((l, i) => {
      at2.set(l, this.addInner(inner[i], sizes.get(l)));
    });
    const factors = node.inputs.map(
      (_, k) => this.operand(node, k)(op.operands[k].map((l) => at2.get(l) ?? int(0)))
    );
    const value2 = simplify(factors.reduce((a, b) => mul(a, b)));
    this.body.push({ kind: "reduce", fn: "sum", out: "acc", over: inner, value: value2 });
    this.epilogue(node, index2, [], tile("acc", "num"));
  }
  reduction(node, op) {
    const input = this.seen(node.inputs[0]);
    const names = axisNames(node.type.shape);
    const index2 = this.gridOf(node.type.shape, names);
    const inner = innerNames(op.axes.length, names);
    const full = [];
    let kept = 0;
    let count2 = 1;
    input.forEach((extent2, i) => {
      const position = op.axes.indexOf(i);
      if (position < 0) {
        full.push(index2[kept++]);
      } else {
        if (op.keep) kept++;
        full.push(this.addInner(inner[position], extent2));
        count2 *= extent2;
      }
    });
    const fn = op.fn === "mean" ? "sum" : op.fn;
    this.body.push({
      kind: "reduce",
      fn,
      out: "acc",
      over: inner,
      value: simplify(this.operand(node, 0)(full))
    });
    const total = tile("acc", node.type.dtype);
    this.epilogue(node, index2, [], op.fn === "mean" ? div(total, num(count2)) : total);
  }
  norm(node, op) {
    const { index: index2, along, x, mean, scale } = this.statistics(node, op);
    const shifted2 = mean ? sub(x, mean) : x;
    this.epilogue(node, index2, [along], mul(shifted2, scale));
  }
  rowStatistics(node, op) {
    const { index: index2, mean, scale } = this.statistics(node, op);
    const [which] = innerNames(1, axisNames(this.seen(node.inputs[0])));
    const at2 = this.addInner(which, 2);
    const rows = index2.slice(0, -1);
    this.epilogue(node, [...rows, at2], [which], where(lt(at2, int(1)), mean ?? num(0), scale));
  }
  /** The shift (layer norms have one) and scale of each row of a norm's operand. */
  statistics(node, op) {
    const shape = this.seen(node.inputs[0]);
    const names = axisNames(shape);
    const size = shape[shape.length - 1];
    const index2 = this.gridOf(shape.slice(0, -1), names.slice(0, -1));
    const along = names[names.length - 1];
    index2.push(this.addInner(along, size));
    const x = simplify(this.operand(node, 0)(index2));
    const root = (squares2) => apply("rsqrt", add(squares2, num(op.eps)));
    if (op.norm === "layer") {
      this.body.push({ kind: "moments", mean: "mean", m2: "m2", over: [along], value: x });
      return { index: index2, along, x, mean: tile("mean", "num"), scale: root(div(tile("m2", "num"), num(size))) };
    }
    this.body.push({ kind: "reduce", fn: "sum", out: "squares", over: [along], value: mul(x, x) });
    const squares = tile("squares", "num");
    return {
      index: index2,
      along,
      x,
      mean: void 0,
      scale: root(op.norm === "rms" ? div(squares, num(size)) : squares)
    };
  }
  softmax(node, op) {
    const { shape } = node.type;
    const names = axisNames(shape);
    const along = names[op.axis];
    const outer = shape.flatMap((s, i) => i === op.axis ? [] : [{ s, i, name: names[i] }]);
    const index2 = this.gridOf(
      outer.map((o) => o.s),
      outer.map((o) => o.name),
      outer.map((o) => o.i)
    );
    index2.splice(op.axis, 0, this.addInner(along, shape[op.axis]));
    const x = simplify(this.operand(node, 0)(index2));
    const highest = tile("highest", "num");
    const empty = lt(highest, num(NOTHING_VISIBLE));
    const weight2 = where(empty, num(0), apply("exp", sub(x, highest)));
    this.body.push({ kind: "reduce", fn: "max", out: "highest", over: [along], value: x });
    this.body.push({ kind: "reduce", fn: "sum", out: "total", over: [along], value: weight2 });
    this.epilogue(node, index2, [along], where(empty, num(0), div(weight2, tile("total", "num"))));
  }
  // -------------------------------------------------------------------------------------------------- chain
  /** Follows the chain behind the anchor and stores its root, and every member that something else reads. */
  epilogue(anchor, index2, over, value2) {
    const at2 = [...index2];
    const { chain } = this.group;
    let current = value2;
    chain.forEach((id, i) => {
      const node = this.context.graph.nodes[id];
      if (node !== anchor) {
        const before = chain[i - 1];
        current = this.elementOf(node, at2, (k, where_) => {
          const operand = node.inputs[k];
          return operand.id === before ? current : this.read(operand)(where_);
        });
        this.inlined.add(id);
      }
      if (!this.context.stored.has(id)) return;
      if (id !== this.root.id) {
        if (over.length === 0) {
          const name2 = `at_${this.body.length}`;
          this.body.push({ kind: "let", out: name2, value: simplify(current) });
          current = tile(name2, node.type.dtype);
        }
      }
      this.store(node, at2, over, current);
    });
  }
  stores(index2, over, value2) {
    this.store(this.root, index2, over, value2);
  }
  store(node, index2, over, value2) {
    const { values } = this.context;
    const target = values.of(node, this.stage);
    const dense = values.isKept(node) && this.stage === "user" ? this.slotted("user", index2) : index2;
    const where_ = node.rows && this.row ? this.row.stored(node.rows, index2) : dense;
    const stored2 = node.type.dtype === "bool" ? apply("to_i32", value2) : value2;
    this.body.push({
      kind: "store",
      target: target.id,
      over,
      index: where_.map(simplify),
      value: simplify(stored2)
    });
  }
  slotted(stage, index2) {
    return [load(this.context.values.slots(stage).id, [index2[0]], "i32"), ...index2.slice(1)];
  }
  // --------------------------------------------------------------------------------------------- expressions
  operand(node, k) {
    return this.read(node.inputs[k]);
  }
  seen(operand) {
    return operand.map?.out ?? this.context.graph.nodes[operand.id].type.shape;
  }
  read(operand) {
    const { map } = operand;
    const node = this.context.graph.nodes[operand.id];
    if (!map) return (index2) => this.element(node, index2);
    return (index2) => {
      const at2 = new Map(index2.map((e, i) => [`i${i}`, e]));
      return this.element(
        node,
        map.index.map((e) => simplify(substitute(e, at2)))
      );
    };
  }
  /** The element of a value: loaded where it is stored, computed where it is not. */
  element(node, index2) {
    const { op } = node;
    const standIn = this.standIns.get(node.id);
    if (standIn) return standIn(index2);
    if (node !== this.root && this.context.stored.has(node.id)) return this.loaded(node, index2);
    if (op.kind === "param" || op.kind === "feature" || op.kind === "data") return this.loaded(node, index2);
    this.inlined.add(node.id);
    if (op.kind === "by_request") return this.gathered(node, index2);
    if (op.kind === "lookup") return this.lookedUp(node, index2);
    if (op.kind === "einsum") {
      const at2 = new Map(op.out.map((l, i) => [l, index2[i]]));
      const factors = node.inputs.map((o, k) => this.read(o)(op.operands[k].map((l) => at2.get(l) ?? int(0))));
      return factors.reduce((a, b) => mul(a, b));
    }
    if (isAnchor(node)) throw new Error(`internal: ${op.kind} %${node.id} is read before it is stored`);
    return this.elementOf(node, index2, (k, where_) => this.read(node.inputs[k])(where_));
  }
  elementOf(node, index2, operand) {
    const def = opDef(node.op.kind);
    if (!def.element) throw new Error(`internal: ${node.op.kind} has no scalar form`);
    const types = node.inputs.map((o) => ({
      shape: this.seen(o),
      dtype: this.context.graph.nodes[o.id].type.dtype
    }));
    return def.element(node, index2, operand, types);
  }
  loaded(node, index2) {
    const { values } = this.context;
    const value2 = values.of(node, this.stage);
    if (node.rows) {
      const element = this.row?.covers(node.rows, index2) ? load(value2.id, this.row.stored(node.rows, index2), value2.element === "f32" ? "num" : "i32") : values.lists.read(value2, node.rows, index2);
      return typed(element, node);
    }
    const slotted = values.isKept(node) && node.program === "user" && this.stage === "user";
    const at2 = slotted ? this.slotted("user", index2) : index2;
    return typed(load(value2.id, at2, value2.element === "f32" ? "num" : "i32"), node);
  }
  /** `by_request`: what the user program kept, at the slot of the candidate's request. */
  gathered(node, index2) {
    const source = this.context.graph.nodes[node.inputs[0].id];
    const value2 = this.context.values.of(source, "item");
    return typed(
      load(value2.id, this.slotted("item", index2), value2.element === "f32" ? "num" : "i32"),
      source
    );
  }
  /** A lookup reads the table, or the rows that the host gathered where no binding holds the table. */
  lookedUp(node, index2) {
    const { graph, values } = this.context;
    const [tableRead, idRead] = node.inputs;
    const table = graph.nodes[tableRead.id];
    if (!values.isTooLarge(table))
      return this.elementOf(node, index2, (k, where_) => this.read(node.inputs[k])(where_));
    const feature2 = graph.nodes[idRead.id];
    if (feature2.op.kind !== "feature") {
      throw new Error(
        `internal: the table ${table.path} is above one binding and its index is computed on the device`
      );
    }
    const { rows, ids } = values.gatheredRows(table, feature2);
    return this.elementOf(node, index2, (k, where_) => {
      const { map } = node.inputs[k];
      const at2 = new Map(where_.map((e, i) => [`i${i}`, e]));
      const own2 = map ? map.index.map((e) => simplify(substitute(e, at2))) : where_;
      return k === 0 ? load(rows.id, own2, "num") : load(ids.id, own2, "i32");
    });
  }
  // --------------------------------------------------------------------------------------------------- axes
  addGrid(name2, extent2) {
    const size = extent2 === "R" || extent2 === "N" ? { of: extent2, times: 1 } : extent2;
    this.grid.push({ name: name2, extent: size, tile: 1 });
    return axis(name2, size);
  }
  addInner(name2, extent2) {
    this.inner.push({ name: name2, extent: extent2, step: 1 });
    return axis(name2, extent2);
  }
  /** A point of the grid for each axis; `axes` are their numbers in the node, whose rows a list may stand for. */
  gridOf(shape, names, axes = shape.map((_, i) => i)) {
    if (this.root.rows) this.openRows(this.root.rows, false);
    return shape.map((s, i) => this.row?.along(axes[i]) ?? this.addGrid(names[i], s));
  }
  /** Adds the axis of the list of active rows. */
  openRows(rows, tiled2) {
    this.row = new RowPoint(this.context.values.lists.of(rows), rows, tiled2);
    this.grid.push(this.row.grid);
    return this.row;
  }
  /** The rows of a product are the list's; each tile of them is of one group. */
  rowsOfProduct(rows, op, at2) {
    const { index: index2, grid } = this.openRows(rows, true);
    rows.axes.forEach((a, i) => {
      at2.set(op.out[a], index2[i]);
    });
    return grid.name;
  }
  /** One grid axis for several labels, row-major. Its batch label, if any, comes first. */
  flatten(labels, sizes, name2, at2) {
    const batch2 = labels.filter((l) => typeof sizes.get(l) !== "number");
    const ordered = [...batch2, ...labels.filter((l) => !batch2.includes(l))];
    const times3 = ordered.reduce((p, l) => {
      const s = sizes.get(l);
      return typeof s === "number" ? p * s : p;
    }, 1);
    const of = batch2.length > 0 ? sizes.get(batch2[0]) : void 0;
    const extent2 = of ? { of, times: times3 } : times3;
    this.grid.push({ name: name2, extent: extent2, tile: 1 });
    split(axis(name2, extent2), ordered, sizes, at2);
    return name2;
  }
  labelSizes(node, op) {
    const sizes = /* @__PURE__ */ new Map();
    op.operands.forEach((labels, k) => {
      const shape = this.seen(node.inputs[k]);
      labels.forEach((l, i) => {
        sizes.set(l, shape[i]);
      });
    });
    return sizes;
  }
  // ------------------------------------------------------------------------------------------------- finish
  finish() {
    const { graph, values } = this.context;
    const list = this.root.rows && values.lists.of(this.root.rows);
    const buffers = buffersOf(this.body);
    if (list) buffers.push({ value: list.list.tiles, access: "read" });
    const members = [
      ...this.group.chain,
      ...[...this.inlined].filter((id) => !this.group.chain.includes(id))
    ];
    const flops = members.reduce((sum, id) => {
      const node = graph.nodes[id];
      if (isSource(node.op) || this.context.stored.has(id) && !this.group.chain.includes(id)) return sum;
      const types = node.inputs.map((o) => ({ shape: this.seen(o), dtype: graph.nodes[o.id].type.dtype }));
      return sum + opDef(node.op.kind).flops(node.op, types, node.type, { R: 1, N: 1 }) * share(graph, node);
    }, 0);
    return {
      name: this.context.names.unique(this.kernelName()),
      stage: this.stage,
      grid: this.grid,
      inner: this.inner,
      body: this.body,
      buffers,
      ...list ? { indirect: { value: list.list.launches, index: values.lists.launch(list) } } : {},
      lowering: { kind: "element", threads: 1, vector: 1 },
      about: {
        fused: this.fusedLines(),
        flops,
        bytes: this.bytesOf(buffers),
        ...this.root.origin ? { origin: this.root.origin } : {}
      },
      roots: this.group.chain.filter((id) => this.context.stored.has(id))
    };
  }
  bytesOf(buffers) {
    const { graph, values } = this.context;
    let fixed2 = 0;
    let perRow = 0;
    for (const b of buffers) {
      const v = values.values[b.value];
      if (v.home.kind === "param" && graph.params.some((p) => p.table && v.home.kind === "param" && p.path === v.home.path))
        continue;
      if (typeof v.shape[0] === "number" || v.shape.length === 0) fixed2 += v.unit * 4;
      else perRow += v.unit * 4;
    }
    return { fixed: fixed2, perRow };
  }
  kernelName() {
    const { anchor } = this.group;
    const node = anchor === void 0 ? this.root : this.context.graph.nodes[anchor];
    const path = node.path || this.root.path;
    return path ? path : node.op.kind;
  }
  /** What the kernel computes, in the model's words: the ops by the part of the model they come from. */
  fusedLines() {
    const { graph } = this.context;
    const line = (id) => {
      const node = graph.nodes[id];
      const what = node.op.kind === "pointwise" ? node.op.fn : node.op.kind === "normalize" ? `${node.op.norm}_norm` : node.op.kind;
      return node.path ? `${node.path}: ${what}` : what;
    };
    const chain = new Set(this.group.chain);
    const hidden = (id) => chain.has(id) || graph.nodes[id].op.kind === "const" || graph.nodes[id].op.kind === "iota";
    const prologue = [...this.inlined].filter((id) => !hidden(id)).sort((a, b) => a - b);
    return [...prologue.map((id) => `reads through ${line(id)}`), ...this.group.chain.map(line)];
  }
};
function typed(e, node) {
  return node.type.dtype === "bool" ? ne(e, int(0)) : e;
}
function split(flat2, labels, sizes, at2) {
  let inner = 1;
  for (let i = labels.length - 1; i >= 0; i--) {
    const size = sizes.get(labels[i]);
    const rest2 = inner === 1 ? flat2 : floordiv(flat2, int(inner));
    at2.set(labels[i], simplify(i === 0 || typeof size !== "number" ? rest2 : mod(rest2, int(size))));
    if (typeof size === "number") inner *= size;
  }
}
var THIN = 4;
function dotRoles(node, op, sizes, graph) {
  if (op.operands.length !== 2) return void 0;
  const [p, q] = op.operands;
  const shared = op.out.filter((l) => p.includes(l) && q.includes(l));
  const k = p.filter((l) => q.includes(l) && !op.out.includes(l));
  const own2 = (labels) => op.out.filter((l) => labels.includes(l) && !shared.includes(l));
  const size = (labels) => labels.reduce((product4, l) => {
    const s = sizes.get(l);
    return product4 * (typeof s === "number" ? s : 1e6);
  }, 1);
  if (k.length === 0 || op.operands.some((labels) => labels.some((l) => !op.out.includes(l) && !k.includes(l))))
    return void 0;
  const suits = (a2) => {
    const labels = op.operands[1 - a2];
    const operand = node.inputs[1 - a2];
    const isParam = graph.nodes[operand.id].op.kind === "param" && !operand.map;
    const adjacent = own2(labels).includes(labels[labels.length - 1]);
    const batchInRows = own2(op.operands[a2]).some((l) => typeof sizes.get(l) !== "number");
    return (isParam ? 4 : 0) + (batchInRows ? 2 : 0) + (adjacent ? 1 : 0);
  };
  const a = suits(0) >= suits(1) ? 0 : 1;
  const m = own2(op.operands[a]);
  const n = own2(op.operands[1 - a]);
  if (n.some((l) => typeof sizes.get(l) !== "number")) return void 0;
  if (size(m) < 2 || size(n) < THIN || size(k) < 2) return void 0;
  return { a, batch: shared, m, n, k };
}
function share(graph, { rows }) {
  if (!rows) return 1;
  const all = graph.nodes[rows.gate].type.shape.reduce(
    (n, s) => typeof s === "number" ? n * s : n,
    1
  );
  return rows.most / all;
}
function rowRoles(node, op, sizes, graph) {
  const { rows } = node;
  if (rows === void 0 || op.operands.length !== 2) return void 0;
  const gate = rows.axes.map((a) => op.out[a]);
  const group = rows.groups.map((g) => gate[g]);
  const size = (labels) => labels.reduce((product4, l) => product4 * sizes.get(l), 1);
  for (const a of [0, 1]) {
    const [x, w] = [op.operands[a], op.operands[1 - a]];
    if (graph.nodes[node.inputs[1 - a].id].program !== "load") continue;
    const k = x.filter((l) => w.includes(l) && !op.out.includes(l));
    const n = op.out.filter((l) => w.includes(l) && !x.includes(l) && !gate.includes(l));
    const batch2 = op.out.filter((l) => x.includes(l) && !gate.includes(l));
    const summed = [...x, ...w].filter((l) => !op.out.includes(l) && !k.includes(l));
    const foreign = w.some((l) => gate.includes(l) && !group.includes(l));
    if (foreign || summed.length > 0 || k.length === 0 || size(k) < 2 || size(n) < THIN) continue;
    return { a, batch: batch2, m: [], n, k };
  }
  return void 0;
}
function buffersOf(body) {
  const access = /* @__PURE__ */ new Map();
  const visit = (e) => {
    if (e.kind === "load") {
      if (e.source === REQUEST) throw new Error("internal: a request index was not bound to a value");
      if (!access.has(e.source)) access.set(e.source, "read");
      for (const i of e.index) visit(i);
    } else if (e.kind === "apply") for (const arg of e.args) visit(arg);
  };
  for (const s of body) {
    for (const e of expressionsOf(s)) visit(e);
  }
  for (const s of body) if (s.kind === "store") access.set(s.target, "write");
  return [...access].map(([value2, a]) => ({ value: value2, access: a }));
}

// passes/fusion/prepare.ts
var OTHER_BINDINGS = 6;
function prepare(graph, storageBuffers) {
  const gathered = gatherBeforeExpanding(graph);
  return ownOutputs(boundConcats(gathered, Math.max(2, Math.floor((storageBuffers - OTHER_BINDINGS) / 2))));
}
function ownOutputs(graph) {
  const nodes = [...graph.nodes];
  const taken = /* @__PURE__ */ new Set();
  const own2 = (read, path) => {
    const node = nodes[read.id];
    const direct = !read.map && node.program === "item" && !isSource(node.op) && node.op.kind !== "by_request" && !taken.has(read.id);
    if (direct) {
      taken.add(read.id);
      return read;
    }
    const shape = read.map?.out ?? node.type.shape;
    const view2 = {
      id: nodes.length,
      op: { kind: "view" },
      inputs: [read],
      type: { shape, dtype: node.type.dtype },
      stage: node.stage,
      program: "item",
      path,
      ...node.origin ? { origin: node.origin } : {}
    };
    nodes.push(view2);
    taken.add(view2.id);
    return { id: view2.id };
  };
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: own2(o.value, o.name),
    ...o.logit ? { logit: own2(o.logit, `${o.name}.logit`) } : {}
  }));
  return { ...graph, nodes, outputs };
}
function boundConcats(graph, most) {
  if (!graph.nodes.some((n) => n.op.kind === "concat" && n.inputs.length > most)) return graph;
  const nodes = [];
  const renamed2 = [];
  const rename = (o) => o.map ? { id: renamed2[o.id], map: o.map } : { id: renamed2[o.id] };
  for (const node of graph.nodes) {
    let inputs = node.inputs.map(rename);
    if (node.op.kind === "concat") {
      const along = node.op.axis;
      while (inputs.length > most) {
        const chunks = [];
        for (let i = 0; i < inputs.length; i += most) {
          const part = inputs.slice(i, i + most);
          if (part.length === 1) {
            chunks.push(part[0]);
            continue;
          }
          const size = part.reduce(
            (sum, o) => sum + (o.map?.out ?? nodes[o.id].type.shape)[along],
            0
          );
          const shape = node.type.shape.map((s, a) => a === along ? size : s);
          nodes.push({ ...node, id: nodes.length, inputs: part, type: { shape, dtype: node.type.dtype } });
          chunks.push({ id: nodes.length - 1 });
        }
        inputs = chunks;
      }
    }
    renamed2[node.id] = nodes.length;
    const rows = node.rows && { ...node.rows, gate: renamed2[node.rows.gate] };
    nodes.push({ ...node, id: nodes.length, inputs, ...rows && { rows } });
  }
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: rename(o.value),
    ...o.logit ? { logit: rename(o.logit) } : {}
  }));
  return pruneGraph({ ...graph, nodes, outputs });
}

// passes/fusion/values.ts
var ROW = 4;
var ValueTable = class {
  values = [];
  /** Arena slots so far, a unit each; `plan-memory` lets lifetimes share them. */
  temps = { load: [], user: [], item: [] };
  lists;
  known = /* @__PURE__ */ new Map();
  names = new Names();
  graph;
  profile;
  kept;
  outputs;
  constructor(graph, profile, kept, outputs) {
    this.graph = graph;
    this.profile = profile;
    this.kept = kept;
    this.outputs = outputs;
    this.lists = new RowLists(graph, this);
  }
  /** The value that a kernel of `stage` reads for a source or stored node. */
  of(node, stage) {
    const { op } = node;
    if (op.kind === "feature") {
      if (stage === "item" && node.program === "user") {
        return this.make(`kept:${op.name}`, node, `${op.name}`, { kind: "kept", feature: op.name });
      }
      return this.make(`input:${op.name}`, node, op.name, {
        kind: "input",
        feature: op.name,
        stage: node.program === "user" ? "user" : "item"
      });
    }
    if (op.kind === "param")
      return this.make(`param:${op.path}`, node, op.path, { kind: "param", path: op.path });
    if (op.kind === "data") {
      return this.make(`data:${node.id}`, node, node.path || "constant", {
        kind: "constant",
        values: Array.from(op.values)
      });
    }
    const task = this.outputs.get(node.id);
    const name2 = nameOf(node);
    if (this.kept.has(node.id)) return this.make(`${node.id}`, node, name2, { kind: "kept" });
    if (task !== void 0) return this.make(`${node.id}`, node, name2, { kind: "output", task });
    const program = node.program ?? "load";
    if (program === "load") return this.make(`${node.id}`, node, name2, { kind: "load" });
    return this.make(`${node.id}`, node, name2, {
      kind: "temp",
      stage: program,
      slot: this.temps[program].length
    });
  }
  /** Whether `path` is a table that no single binding can hold. */
  isTooLarge(node) {
    if (node.op.kind !== "param") return false;
    const { unit } = strided(node);
    return unit * 4 > this.profile.limits.storageBinding;
  }
  /** The rows of a large table that this call looks up, and the row numbers that stand for `feature`'s ids. */
  gatheredRows(table, feature2) {
    if (table.op.kind !== "param" || feature2.op.kind !== "feature")
      throw new Error("internal: only a table's rows by a feature are gathered on the host");
    const stage = feature2.program === "user" ? "user" : "item";
    const { path } = table.op;
    const key = `rows:${stage}:${path}`;
    const old = this.known.get(key);
    const features = old?.home.kind === "rows" ? [.../* @__PURE__ */ new Set([...old.home.features, feature2.op.name])] : [feature2.op.name];
    const home = { kind: "rows", path, stage, features };
    const batch2 = stage === "user" ? "R" : "N";
    let rows;
    if (old) {
      rows = { ...old, home };
      this.values[old.id] = rows;
      this.known.set(key, rows);
    } else {
      const { strides } = strided(table);
      rows = this.add(key, {
        name: `${path}_rows_${stage}`,
        element: "f32",
        shape: [batch2, ...table.type.shape.slice(1)],
        strides,
        unit: strides[0],
        home,
        node: table.id
      });
    }
    const ids = this.make(`ids:${stage}:${feature2.op.name}:${path}`, feature2, `${feature2.op.name}_rows`, {
      kind: "input",
      feature: feature2.op.name,
      stage,
      rows: path
    });
    return { rows, ids };
  }
  /** The slab slot of each request (user program) or of each candidate's request (item program). */
  slots(stage) {
    const key = `slots:${stage}`;
    const known = this.known.get(key);
    if (known) return known;
    const home = stage === "user" ? { kind: "slots" } : { kind: "request" };
    const batch2 = stage === "user" ? "R" : "N";
    return this.add(key, {
      name: stage === "user" ? "slot" : "request",
      element: "i32",
      shape: [batch2],
      strides: [1],
      unit: 1,
      home
    });
  }
  /** A table of integers that no node stands for, packed. */
  table(name2, shape, home) {
    return this.add(`table:${name2}`, { name: name2, element: "i32", ...packed(shape), home });
  }
  /** The same table in another shape. */
  resize(id, shape) {
    this.values[id] = { ...this.values[id], ...packed(shape) };
  }
  make(key, node, name2, home) {
    const known = this.known.get(key);
    if (known) return known;
    const { rows } = node;
    const shape = rows ? storedShape(node.type.shape, rows) : node.type.shape;
    const { strides, unit } = rows ? strided({ type: { ...node.type, shape } }) : strided(node);
    if (home.kind === "temp") this.temps[home.stage].push(unit);
    return this.add(key, {
      name: name2,
      element: node.type.dtype === "num" ? "f32" : "i32",
      shape,
      strides,
      unit,
      home,
      ...rows ? { rows: this.lists.planRows(rows) } : {},
      node: node.id
    });
  }
  add(key, value2) {
    const made = { id: this.values.length, ...value2, name: this.names.unique(value2.name) };
    this.values.push(made);
    this.known.set(key, made);
    return made;
  }
  /** The node that a kept value of the plan holds is written by the user program at its slab slot. */
  isKept(node) {
    return this.kept.has(node.id);
  }
  nodeOf(id) {
    return this.graph.nodes[id];
  }
};
function nameOf(node) {
  return node.path || node.op.kind;
}
function strided(node) {
  const { shape } = node.type;
  const order = node.layout?.order ?? shape.map((_, i) => i);
  const strides = shape.map(() => 1);
  let step = 1;
  let unit = 1;
  for (let at2 = order.length - 1; at2 >= 0; at2--) {
    const axis2 = order[at2];
    const extent2 = shape[axis2];
    strides[axis2] = step;
    if (typeof extent2 !== "number") break;
    const first2 = at2 === order.length - 1;
    step *= first2 ? Math.ceil(extent2 / ROW) * ROW : extent2;
    unit = step;
  }
  return { strides, unit };
}
function packed(shape) {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  const [lead] = shape;
  return { shape, strides, unit: typeof lead === "number" ? lead * strides[0] : strides[0] };
}

// passes/fuse.ts
var fuse = definePass({
  name: "fuse",
  summary: "groups ops into kernels: an anchor, what it reads through, and what follows it element by element",
  run(input, { profile }) {
    const graph = prepare(input, profile.limits.storageBuffers);
    const { groups: groups2, stored: stored2 } = groupNodes(graph, profile.limits.storageBuffers);
    const kept = /* @__PURE__ */ new Set();
    for (const node of graph.nodes) {
      if (node.op.kind !== "by_request") continue;
      const [read] = node.inputs;
      if (!isSource(graph.nodes[read.id].op)) kept.add(read.id);
    }
    const outputs = /* @__PURE__ */ new Map();
    for (const o of graph.outputs) {
      outputs.set(o.value.id, o.name);
      if (o.logit) outputs.set(o.logit.id, `${o.name}#logit`);
    }
    const values = new ValueTable(graph, profile, kept, outputs);
    const names = new Names();
    const context = { graph, values, stored: stored2, names };
    const listed = /* @__PURE__ */ new Set();
    const kernels = groups2.flatMap((group) => {
      const { rows } = graph.nodes[group.root];
      const first2 = rows !== void 0 && !listed.has(rows.gate);
      if (first2) listed.add(rows.gate);
      const lists = first2 ? buildListKernels(values.lists.of(rows), context) : [];
      return [...lists, buildKernel(group, context)];
    });
    const of = (stage) => kernels.filter((k) => k.stage === stage);
    const plan = {
      format: 1,
      name: graph.name,
      profile,
      values: values.values,
      kernels: { load: of("load"), user: of("user"), item: of("item") },
      arenas: ["load", "user", "item"].map((stage) => ({ stage, units: values.temps[stage] })),
      params: graph.params,
      features: graph.features,
      outputs: graph.outputs.flatMap((o) => {
        const rows = [{ task: o.name, shape: o.shape, value: values.of(graph.nodes[o.value.id], "item").id }];
        if (o.logit)
          rows.push({
            task: `${o.name}#logit`,
            shape: o.shape,
            value: values.of(graph.nodes[o.logit.id], "item").id
          });
        return rows;
      }),
      serve: graph.serve
    };
    return { graph, plan };
  }
});

// passes/plan-memory.ts
var planMemory = definePass({
  name: "plan-memory",
  summary: "lets temporaries whose lives do not meet share a slot of the stage's arena",
  run({ graph, plan }) {
    const slots = /* @__PURE__ */ new Map();
    const arenas = [];
    for (const stage of ["load", "user", "item"]) {
      const units = [];
      const freeFrom = [];
      for (const life of livesOf(plan, stage)) {
        const slot = slotFor(units, freeFrom, life);
        units[slot] = Math.max(units[slot] ?? 0, life.value.unit);
        freeFrom[slot] = life.to;
        slots.set(life.value.id, slot);
      }
      arenas.push({ stage, units });
    }
    const values = plan.values.map((v) => {
      const slot = slots.get(v.id);
      return v.home.kind === "temp" && slot !== void 0 ? { ...v, home: { ...v.home, slot } } : v;
    });
    return { graph, plan: { ...plan, values, arenas } };
  }
});
function livesOf(plan, stage) {
  const kernels = plan.kernels[stage];
  const first2 = /* @__PURE__ */ new Map();
  const last2 = /* @__PURE__ */ new Map();
  kernels.forEach((kernel, i) => {
    for (const b of kernel.buffers) {
      if (!first2.has(b.value)) first2.set(b.value, i);
      last2.set(b.value, i);
    }
  });
  return [...first2].map(([id, from]) => ({ value: plan.values[id], from, to: last2.get(id) ?? from })).filter((l) => l.value.home.kind === "temp" && l.value.home.stage === stage).sort((a, b) => a.from - b.from || a.value.id - b.value.id);
}
function slotFor(units, freeFrom, life) {
  let best = -1;
  for (let slot = 0; slot < units.length; slot++) {
    if (freeFrom[slot] >= life.from) continue;
    if (best < 0 || misfit(units[slot], life) < misfit(units[best], life)) best = slot;
  }
  return best < 0 ? units.length : best;
}
function misfit(unit, life) {
  return Math.abs(unit - life.value.unit);
}

// passes/schedule.ts
init_error();
init_tile();

// passes/fusion/flatten.ts
init_expr();
init_simplify();
function flattenGrid(kernel) {
  if (kernel.grid.length <= 1) return kernel;
  const name2 = kernel.inner.some((a) => a.name === "e") || kernel.grid.some((a) => a.name === "e") ? "point" : "e";
  let times3 = 1;
  for (const a of kernel.grid) times3 *= typeof a.extent === "number" ? a.extent : a.extent.times;
  const lead = kernel.grid.find((a) => typeof a.extent !== "number");
  if (lead && lead !== kernel.grid[0]) return kernel;
  const extent2 = lead && typeof lead.extent !== "number" ? { of: lead.extent.of, times: times3 } : times3;
  const flat2 = axis(name2, extent2);
  const at2 = /* @__PURE__ */ new Map();
  let inner = 1;
  for (let i = kernel.grid.length - 1; i >= 0; i--) {
    const a = kernel.grid[i];
    const size = typeof a.extent === "number" ? a.extent : a.extent.times;
    const rest2 = inner === 1 ? flat2 : floordiv(flat2, int(inner));
    at2.set(a.name, simplify(i === 0 ? rest2 : mod(rest2, int(size))));
    inner *= size;
  }
  const sub2 = (e) => simplify(substitute(e, at2));
  const body = kernel.body.map((s) => {
    if (s.kind === "dot" || s.kind === "score") return s;
    if (s.kind === "store") return { ...s, index: s.index.map(sub2), value: sub2(s.value) };
    return { ...s, value: sub2(s.value) };
  });
  const rows = kernel.grid[0].rows;
  const over = rows && { rows: { ...rows, times: rows.times * (times3 / extentTimes(kernel.grid[0].extent)) } };
  return { ...kernel, grid: [{ name: name2, extent: extent2, tile: 1, ...over }], body };
}
function extentTimes(extent2) {
  return typeof extent2 === "number" ? extent2 : extent2.times;
}

// passes/schedule.ts
var schedule = definePass({
  name: "schedule",
  summary: "chooses lowering, tile sizes and parameter slices for each kernel from the device profile",
  run({ graph, plan }, { profile }) {
    const one = (kernel) => {
      const sliced = sliceParameters(scheduleKernel(kernel, plan, profile), plan.values, profile);
      return sliced;
    };
    const { load: load2, user, item } = plan.kernels;
    const all = (kernels) => countLaunches(kernels.map(one));
    return { graph, plan: { ...plan, kernels: { load: all(load2), user: all(user), item: all(item) } } };
  }
});
function scheduleKernel(kernel, plan, profile) {
  if (kernel.lists) {
    const threads = Math.min(THREADS, profile.limits.workgroupSize);
    return { ...kernel, lowering: { kind: "list", threads } };
  }
  const score = kernel.body.find((s) => s.kind === "score");
  if (score?.kind === "score") return scheduleScore(kernel, score, plan, profile);
  const dot2 = kernel.body.find((s) => s.kind === "dot");
  if (dot2?.kind === "dot") return scheduleDot(kernel, dot2, plan, profile);
  const shared = kernel.body.some((s) => s.kind === "store" && s.over.length > 0);
  const along = kernel.body.filter((s) => s.kind === "reduce" || s.kind === "moments");
  const combines = kernel.buffers.some(({ value: value2 }) => plan.values[value2].home.kind === "list") && !kernel.indirect;
  const innermost = !combines && along.some((s) => sharesInnermost(s, kernel, plan.values));
  return shared || innermost ? scheduleRow(kernel, profile) : scheduleElement(kernel, profile);
}
var MOST_ROWS = 16;
function scheduleDot(kernel, dot2, plan, profile) {
  const rows = rowsExpected(kernel, dot2.m, plan);
  const lanes = profile.subgroup?.max ?? 0;
  const fixed2 = profile.subgroup !== void 0 && profile.subgroup.min === profile.subgroup.max;
  if (profile.features.software && fixed2) {
    const tileM = rows >= MOST_ROWS ? MOST_ROWS : rows > 4 ? 8 : rows > 2 ? 4 : rows > 1 ? 2 : 1;
    return tiled(
      kernel,
      { [dot2.m]: tileM, [dot2.n]: 4 * lanes },
      { kind: "subgroup", lanes, rows: tileM },
      { [dot2.k]: 4 }
    );
  }
  const registersM = rows >= 32 ? 4 : rows >= 16 ? 2 : 1;
  const lowering = { kind: "blocked", threadsM: 8, threadsN: 8, registersM, registersN: 4 };
  return tiled(kernel, { [dot2.m]: 8 * registersM, [dot2.n]: 32 }, lowering, { [dot2.k]: 16 });
}
var MOST_ACCUMULATORS = 16;
var MOST_GROUPS = 8;
function scheduleScore(kernel, score, plan, profile) {
  const fixed2 = profile.subgroup !== void 0 && profile.subgroup.min === profile.subgroup.max;
  const bySubgroup = profile.features.software && fixed2;
  const lanes = bySubgroup ? profile.subgroup?.max ?? 0 : 32;
  const columns = rowsExpected(kernel, score.n, plan);
  const groups2 = Math.min(MOST_GROUPS, Math.ceil(columns / (4 * lanes)));
  const expected = rowsExpected(kernel, score.m, plan);
  const most = score.segment !== void 0 && !bySubgroup ? 1 : MOST_ACCUMULATORS / groups2;
  let rows = 1;
  while (rows < +(process.env.ROWS ?? 8) && rows < expected && rows < most) rows *= 2;
  return tiled(
    kernel,
    { [score.m]: rows, [score.n]: 4 * lanes * groups2 },
    { kind: "score", lanes, rows, groups: groups2, combine: bySubgroup ? "subgroup" : "shared" },
    { [score.j]: lanes, [score.k]: 4 }
  );
}
function countLaunches(kernels) {
  return kernels.map((kernel) => {
    if (!kernel.lists) return kernel;
    const { list } = kernel.lists;
    const users = kernels.filter((k) => k.indirect?.value === list.launches);
    const products = users.flatMap((k) => k.grid.filter((a) => a.rows?.group));
    const tile2 = products[0]?.tile ?? 1;
    if (products.some((a) => a.tile !== tile2)) throw new Error("internal: products over one list differ in their tiles");
    const launches = [];
    for (const user of users) launches[user.indirect?.index ?? 0] = launchOf(user);
    return { ...kernel, lists: { ...kernel.lists, list: { ...list, tile: tile2 }, launches } };
  });
}
function launchOf({ name: name2, grid }) {
  const along = grid.find((a) => a.rows);
  if (along?.rows === void 0) throw new Error(`internal: ${name2} runs over no list`);
  const others = grid.reduce((n, a) => {
    if (a === along) return n;
    if (typeof a.extent !== "number") throw new Error(`internal: ${name2} runs over a list and a batch axis`);
    return n * Math.ceil(a.extent / a.tile);
  }, 1);
  const { group, times: times3 } = along.rows;
  return group ? { of: "tiles", times: 1, tile: 1, others } : { of: "rows", times: times3, tile: along.tile, others };
}
var CHOSEN = 0.5;
function rowsExpected(kernel, name2, plan) {
  const along = kernel.grid.find((a) => a.name === name2);
  const extent2 = along?.extent ?? 1;
  if (along?.rows?.group && typeof extent2 !== "number") {
    const points = extent2.of === "N" ? plan.serve.candidates : plan.serve.requests;
    const groups2 = along.rows.group.reduce((n, g) => n * g.extent, 1);
    return points * extent2.times * CHOSEN / groups2;
  }
  if (typeof extent2 === "number") return extent2;
  return extent2.times * (extent2.of === "N" ? plan.serve.candidates : plan.serve.requests);
}
function scheduleRow(kernel, profile) {
  const fixed2 = profile.subgroup !== void 0 && profile.subgroup.min === profile.subgroup.max;
  const lowering = fixed2 && profile.subgroup ? { kind: "row", lanes: profile.subgroup.max, rows: 1, combine: "subgroup", vector: 4 } : { kind: "row", lanes: 32, rows: 1, combine: "shared", vector: 4 };
  return tiled(kernel, {}, lowering, {});
}
var THREADS = 64;
var VECTOR = 4;
function scheduleElement(kernel, profile) {
  const last2 = kernel.grid[kernel.grid.length - 1];
  if (!last2) return { ...kernel, lowering: { kind: "element", threads: 1, vector: 1 } };
  const threads = Math.min(THREADS, profile.limits.workgroupSize);
  const points = threads * VECTOR;
  const long = typeof last2.extent === "number" && last2.extent % VECTOR === 0;
  if (long && last2.extent >= points / 2) {
    return tiled(kernel, { [last2.name]: points }, { kind: "element", threads, vector: VECTOR }, {});
  }
  const flat2 = flattenGrid(kernel);
  const vector = long ? VECTOR : 1;
  return tiled(
    flat2,
    { [flat2.grid[flat2.grid.length - 1].name]: threads * vector },
    { kind: "element", threads, vector },
    {}
  );
}
function tiled(kernel, tiles, lowering, steps) {
  return {
    ...kernel,
    lowering,
    grid: kernel.grid.map((a) => ({ ...a, tile: tiles[a.name] ?? 1 })),
    inner: kernel.inner.map((a) => ({ ...a, step: steps[a.name] ?? 1 }))
  };
}
function sharesInnermost(s, kernel, values) {
  if (s.kind !== "reduce" && s.kind !== "moments") return false;
  const last2 = s.over[s.over.length - 1];
  const size = kernel.inner.find((a) => a.name === last2)?.extent ?? 1;
  if (size < 8) return false;
  const isAdjacent = (e) => {
    if (e.kind === "load")
      return e.index.some((i, axis2) => values[e.source].strides[axis2] === 1 && mentions2(i, last2));
    return e.kind === "apply" && e.args.some(isAdjacent);
  };
  return isAdjacent(s.value);
}
function mentions2(e, name2) {
  if (e.kind === "axis") return e.name === name2;
  if (e.kind === "apply") return e.args.some((a) => mentions2(a, name2));
  return false;
}
function sliceParameters(kernel, values, profile) {
  const limit = profile.limits.storageBinding;
  const large = kernel.buffers.map((b) => values[b.value]).filter(
    (v) => (v.home.kind === "param" || v.home.kind === "load" || v.home.kind === "constant") && v.unit * 4 > limit
  );
  if (large.length === 0) return kernel;
  const leading = large.map((v) => leadingAxis(kernel, v));
  const [first2] = leading;
  const groups2 = kernel.grid.flatMap((a) => a.rows?.group ?? []).map((g) => ({ ...g, tile: 1 }));
  const axis2 = [...kernel.grid, ...groups2].find((a) => a.name === first2);
  if (!axis2 || typeof axis2.extent !== "number" || axis2.tile !== 1 || leading.some((n) => n !== first2)) {
    throw new InputError(
      "RMX0810",
      `the parameter \`${large[0].name}\` is larger than one binding of the device and cannot be read in slices`,
      {
        notes: [`it takes ${large[0].unit * 4} bytes; a binding holds ${limit}`],
        help: "split it along a token axis, or compile for a device with larger bindings",
        exit: 1
      }
    );
  }
  const extent2 = axis2.extent;
  const most = Math.min(...large.map((v) => sliceRows(v, profile)));
  const ranges = [];
  for (let from = 0; from < extent2; from += most) ranges.push({ from, to: Math.min(extent2, from + most) });
  const slicing = { axis: axis2.name, values: large.map((v) => v.id), ranges };
  return { ...kernel, slicing };
}
function sliceRows(value2, profile) {
  const bytes = value2.strides[0] * 4;
  const most = Math.floor(profile.limits.storageBinding / bytes);
  const align = profile.limits.offsetAlignment;
  let multiple2 = 1;
  while (multiple2 * bytes % align !== 0) multiple2 *= 2;
  const rows = Math.floor(most / multiple2) * multiple2;
  if (rows < 1) {
    throw new InputError(
      "RMX0810",
      `one row of the parameter \`${value2.name}\` is larger than one binding of the device`,
      {
        notes: [`a row takes ${bytes} bytes; a binding holds ${profile.limits.storageBinding}`],
        exit: 1
      }
    );
  }
  return rows;
}
function leadingAxis(kernel, value2) {
  let name2;
  let same2 = value2.strides.every((s) => s <= value2.strides[0]);
  const visit = (e) => {
    if (e.kind === "load") {
      if (e.source === value2.id) {
        const [lead] = e.index;
        if (lead?.kind !== "axis" || name2 !== void 0 && name2 !== lead.name) same2 = false;
        else name2 = lead.name;
      }
      for (const i of e.index) visit(i);
    } else if (e.kind === "apply") for (const a of e.args) visit(a);
  };
  for (const s of kernel.body) {
    for (const e of s.kind === "store" ? [s.value] : expressionsOf(s)) visit(e);
  }
  return same2 ? name2 : void 0;
}

// passes/simplify.ts
init_indexmap();
init_scalar();
var simplify2 = definePass({
  name: "simplify",
  summary: "merges equal computations, folds constants, drops what no output needs",
  run(graph) {
    const out = new Rewriter(graph);
    const seen = /* @__PURE__ */ new Map();
    for (const node of graph.nodes) {
      const inputs = node.inputs.map((o) => out.operand(o));
      const same2 = identityOf2(node, inputs, out);
      if (same2) {
        out.replace(node.id, same2);
        continue;
      }
      const op = foldConstants(node, inputs, out);
      const operands = op === node.op ? inputs : [];
      const key = keyOf(op, operands, node);
      const known = seen.get(key);
      if (known) {
        out.replace(node.id, known);
        continue;
      }
      const made = out.add(op, operands, node, node.type);
      seen.set(key, made);
      out.replace(node.id, made);
    }
    return out.finish();
  }
});
function keyOf(op, inputs, node) {
  const opKey = op.kind === "data" ? `data#${node.id}` : JSON.stringify(op, (_, v) => v === Infinity ? "inf" : v === -Infinity ? "-inf" : v);
  const operands = inputs.map((o) => o.map ? `${o.id}${printMap(o.map)}` : `${o.id}`);
  return `${opKey}|${operands.join("|")}|${node.type.dtype}[${node.type.shape.join()}]`;
}
function identityOf2(node, inputs, out) {
  if (node.op.kind !== "pointwise") return void 0;
  const constant4 = (k) => {
    const op = out.nodes[inputs[k].id].op;
    return op.kind === "const" ? op.value : void 0;
  };
  const sameType = (k) => out.typeOf(inputs[k]).dtype === node.type.dtype;
  switch (node.op.fn) {
    case "add":
      if (constant4(1) === 0 && sameType(0)) return inputs[0];
      return constant4(0) === 0 && sameType(1) ? inputs[1] : void 0;
    case "sub":
      return constant4(1) === 0 && sameType(0) ? inputs[0] : void 0;
    case "mul":
      if (constant4(1) === 1 && sameType(0)) return inputs[0];
      return constant4(0) === 1 && sameType(1) ? inputs[1] : void 0;
    case "div":
      return constant4(1) === 1 && sameType(0) ? inputs[0] : void 0;
    case "neg": {
      const inner = out.nodes[inputs[0].id];
      if (inputs[0].map || inner.op.kind !== "pointwise" || inner.op.fn !== "neg") return void 0;
      return inner.inputs[0];
    }
    case "where": {
      const mask2 = constant4(0);
      if (mask2 !== void 0) return mask2 ? inputs[1] : inputs[2];
      const [, a, b] = inputs;
      return a.id === b.id && !a.map && !b.map ? a : void 0;
    }
    case "to_num":
    case "to_i32":
    case "to_bool":
      return sameType(0) ? inputs[0] : void 0;
    default:
      return void 0;
  }
}
function foldConstants(node, inputs, out) {
  if (node.op.kind !== "pointwise" || inputs.length === 0) return node.op;
  const values = [];
  for (const o of inputs) {
    const op = out.nodes[o.id].op;
    if (op.kind !== "const") return node.op;
    values.push(op.value);
  }
  return { kind: "const", value: scalarFns[node.op.fn].evaluate(...values) };
}

// passes/sparsify-experts.ts
init_ops();

// passes/sparsity/zeros.ts
init_scalar();
var ZeroTable = class {
  graph;
  known = [];
  constructor(graph) {
    this.graph = graph;
    for (const node of graph.nodes) this.known.push(gated(node, this.zerosOf(node)));
  }
  /** The zeros of an operand as its op sees it. */
  seen(operand) {
    const zeros = this.known[operand.id];
    const { map } = operand;
    if (map === void 0) return zeros;
    const { shape } = this.graph.nodes[operand.id].type;
    return zeros.flatMap((z) => {
      const axes = z.axes.map((a) => viewAxis(map, a, shape[a]));
      return axes.every((a) => a !== void 0) ? [{ ...z, axes }] : [];
    });
  }
  zerosOf(node) {
    const { op, inputs } = node;
    switch (op.kind) {
      case "top_k_mask":
        return [{ ...own(node), chosen: { axis: op.axis, k: op.k } }];
      case "pointwise":
        return [...op.fn === "relu" ? [own(node)] : [], ...this.pointwise(node, op.fn)];
      case "softmax":
        return this.hidden(inputs[0]);
      case "einsum":
        return inputs.flatMap(
          (o, k) => this.seen(o).flatMap((z) => {
            const axes = z.axes.map((a) => op.out.indexOf(op.operands[k][a]));
            return axes.includes(-1) ? [] : [{ ...z, axes }];
          })
        );
      case "reduce": {
        const { shape } = node.type;
        const rank = op.keep ? shape.length : shape.length + op.axes.length;
        const left = Array.from({ length: rank }, (_, a) => a).filter((a) => !op.axes.includes(a));
        return this.seen(inputs[0]).flatMap((z) => {
          if (z.axes.some((a) => op.axes.includes(a))) return [];
          return [op.keep ? z : { ...z, axes: z.axes.map((a) => left.indexOf(a)) }];
        });
      }
      default:
        return [];
    }
  }
  /** Gates at whose zeros enough operands are 0 for the function to be 0. */
  pointwise({ inputs }, fn) {
    const seen = inputs.map((o) => this.seen(o));
    const always = inputs.map(({ id }) => {
      const { op } = this.graph.nodes[id];
      return op.kind === "const" && op.value === 0;
    });
    const kept = [];
    for (const z of seen.flat()) {
      if (kept.some((other) => same(z, other))) continue;
      const zero = seen.map((list, k) => always[k] || list.some((other) => same(z, other)));
      if (scalarFns[fn].zero(zero)) kept.push(z);
    }
    return kept;
  }
  /** Where a softmax sees −∞: where(c, x, −∞) at the zeros of c. */
  hidden(operand) {
    const node = this.graph.nodes[operand.id];
    if (operand.map !== void 0 || node.op.kind !== "pointwise" || node.op.fn !== "where") return [];
    const [cond, , other] = node.inputs;
    const { op } = this.graph.nodes[other.id];
    const nothing = op.kind === "const" && op.value === Number.NEGATIVE_INFINITY;
    return nothing ? [...this.seen(cond)] : [];
  }
};
function own(node) {
  return { gate: node.id, axes: node.type.shape.map((_, a) => a) };
}
function gated(node, zeros) {
  const { length: rank } = node.type.shape;
  const mine = zeros.filter((z) => z.axes.length === rank && node.type.dtype === "num");
  if (mine.length === 0) return zeros;
  const least = mine.flatMap(({ chosen, axes }) => chosen ? [{ axis: axes[chosen.axis], k: chosen.k }] : []).sort((a, b) => a.k - b.k);
  return [
    ...zeros.filter((z) => !mine.includes(z)),
    { ...own(node), ...least.length > 0 ? { chosen: least[0] } : {} }
  ];
}
function same(a, b) {
  return a.gate === b.gate && a.axes.every((axis2, i) => axis2 === b.axes[i]);
}
function viewAxis(map, at2, extent2) {
  const e = map.index[at2];
  if (e.kind !== "axis") return void 0;
  const axis2 = Number(e.name.slice(1));
  return map.out[axis2] === extent2 ? axis2 : void 0;
}
function storedAxis(map, seen, shape) {
  if (map === void 0) return seen;
  const at2 = map.index.findIndex((_, a) => viewAxis(map, a, shape[a]) === seen);
  return at2 < 0 ? void 0 : at2;
}

// passes/sparsity/region.ts
function combinesOf(graph, zeros) {
  return graph.nodes.flatMap((node) => {
    const { op } = node;
    if (node.program === "load" || node.program === void 0) return [];
    const found = [];
    node.inputs.forEach((operand, k) => {
      for (const z of zeros.seen(operand)) {
        if (graph.nodes[z.gate].program !== node.program || graph.nodes[z.gate].type.dtype !== "num") continue;
        if (op.kind === "reduce" && op.fn === "sum") {
          const [batch2, ...rest2] = z.axes;
          if (!op.axes.includes(batch2) && rest2.some((a) => op.axes.includes(a)))
            found.push({ node, zeros: z, operand: k, fused: false });
        } else if (op.kind === "einsum" && op.operands.length === 2) {
          const labels = z.axes.map((a) => op.operands[k][a]);
          const other = op.operands[1 - k];
          if (!op.out.includes(labels[0]) || labels.every((l) => op.out.includes(l))) continue;
          if (labels.every((l) => other.includes(l)))
            found.push({ node, zeros: z, operand: k, fused: false });
          else if (op.operands[k].some((l) => other.includes(l) && !op.out.includes(l) && !labels.includes(l)))
            found.push({ node, zeros: z, operand: k, fused: true });
        }
      }
    });
    return found.sort((a, b) => rowsOf(graph, a.zeros) - rowsOf(graph, b.zeros)).slice(0, 1);
  });
}
function rowsOf(graph, { gate, chosen }) {
  return graph.nodes[gate].type.shape.slice(1).reduce((product4, s, i) => product4 * (chosen?.axis === i + 1 ? chosen.k : s), 1);
}
function regionOf(graph, combines) {
  const region = /* @__PURE__ */ new Map();
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.flatMap((o) => [o.value.id, ...o.logit ? [o.logit.id] : []]));
  const masked = new Map(combines.map((c) => [c.node.id, c]));
  for (const node of graph.nodes.toReversed()) {
    if (readers[node.id].length === 0 || outputs.has(node.id)) continue;
    const reads = readers[node.id].map(({ node: reader, operand }) => {
      const combine2 = masked.get(reader.id);
      const seen = combine2 ? combinedAxes(combine2, operand) : rowAxes(reader, operand, region.get(reader.id));
      return seen && through2(graph, reader.inputs[operand], seen);
    });
    const [first2] = reads;
    if (first2 === void 0 || reads.some((r) => r === void 0 || !sameRows(r, first2))) continue;
    if (node.id !== first2.gate && node.program === graph.nodes[first2.gate].program && worksByRow(node, first2))
      region.set(node.id, first2);
  }
  return region;
}
function combinedAxes({ node, zeros, operand }, k) {
  const { op } = node;
  if (op.kind !== "einsum" || k === operand) return zeros;
  const axes = zeros.axes.map((a) => op.operands[k].indexOf(op.operands[operand][a]));
  return axes.includes(-1) ? void 0 : { ...zeros, axes };
}
function rowAxes(reader, k, rows) {
  if (rows === void 0) return void 0;
  const { op } = reader;
  switch (op.kind) {
    case "einsum": {
      const axes = rows.axes.map((a) => op.operands[k].indexOf(op.out[a]));
      return axes.includes(-1) ? void 0 : { ...rows, axes };
    }
    case "reduce": {
      if (op.keep) return rows;
      const left = [];
      for (let a = 0; left.length < reader.type.shape.length; a++) if (!op.axes.includes(a)) left.push(a);
      return { ...rows, axes: rows.axes.map((a) => left[a]) };
    }
    default:
      return rows;
  }
}
function through2(graph, operand, rows) {
  const { shape } = graph.nodes[operand.id].type;
  const axes = [];
  for (const seen of rows.axes) {
    const at2 = storedAxis(operand.map, seen, shape);
    if (at2 === void 0) return void 0;
    axes.push(at2);
  }
  return { ...rows, axes };
}
function worksByRow({ op, type }, { axes }) {
  switch (op.kind) {
    case "pointwise":
    case "einsum":
      return true;
    case "reduce":
      return !op.keep || axes.every((a) => !op.axes.includes(a));
    case "normalize":
    case "row_statistics":
      return !axes.includes(type.shape.length - 1);
    case "softmax":
    case "concat":
    case "pad":
      return !axes.includes(op.axis);
    default:
      return false;
  }
}
function sameRows(a, b) {
  return a.gate === b.gate && a.axes.every((axis2, i) => axis2 === b.axes[i]);
}

// passes/sparsify-experts.ts
var LEAST_SAVED = 2e6;
var EXPECTED_ACTIVE = 0.5;
var sparsifyExperts = definePass({
  name: "sparsify-experts",
  summary: "marks what a sparse gate's sum alone reads: only rows whose gate is not 0 are computed",
  run(graph, context) {
    const combines = combinesOf(graph, new ZeroTable(graph));
    let fused = combines.filter((c) => c.fused);
    for (; ; ) {
      const { graph: apart, sums } = cutFused(graph, fused);
      const region = regionOf(
        apart,
        combinesOf(apart, new ZeroTable(apart)).filter((c) => !c.fused)
      );
      const dense = denseGates(apart, region);
      const isActive = (id) => {
        const rows = region.get(id);
        return rows !== void 0 && !dense.has(rows.gate);
      };
      const useful = fused.filter((c) => isActive(apart.nodes[sums.get(c.node.id) ?? 0].inputs[0].id));
      if (useful.length < fused.length) {
        fused = useful;
        continue;
      }
      explainGates(apart, region, dense, context);
      const kept = new Map([...region].filter(([id]) => isActive(id)));
      return kept.size === 0 ? graph : marked(apart, kept);
    }
  }
});
function cutFused(graph, fused) {
  const sums = /* @__PURE__ */ new Map();
  if (fused.length === 0) return { graph, sums };
  const out = new Rewriter(graph);
  for (const node of graph.nodes) {
    const combine2 = fused.find((c) => c.node.id === node.id);
    if (combine2 === void 0 || node.op.kind !== "einsum") {
      out.copy(node);
      continue;
    }
    const { op } = node;
    const gate = combine2.zeros.axes.map((a) => op.operands[combine2.operand][a]);
    const summed = gate.filter((l) => !op.out.includes(l));
    const after = Math.max(...gate.map((l) => op.out.indexOf(l))) + 1;
    const labels = [...op.out.slice(0, after), ...summed, ...op.out.slice(after)];
    const { path, origin, program } = node;
    const about = { path, ...origin && { origin }, ...program && { program } };
    const inputs = node.inputs.map((o) => out.operand(o));
    const rows = out.add({ ...op, out: labels }, inputs, about);
    const axes = summed.map((l) => labels.indexOf(l));
    const sum = out.add({ kind: "reduce", fn: "sum", axes, keep: false }, [rows], about, node.type);
    sums.set(node.id, sum.id);
    out.replace(node.id, sum);
  }
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: out.operand(o.value),
    ...o.logit ? { logit: out.operand(o.logit) } : {}
  }));
  return { graph: { ...graph, nodes: out.nodes, outputs }, sums };
}
function denseGates(graph, region) {
  const dense = /* @__PURE__ */ new Map();
  for (const [gate, ids] of byGate(region)) {
    const reason = whyDense(graph, region, ids);
    if (reason !== void 0) dense.set(gate, reason);
  }
  return dense;
}
var THIN2 = 4;
function whyDense(graph, region, ids) {
  const rows = region.get(ids[0]);
  const products = ids.map((id) => graph.nodes[id]).filter((n) => isRowProduct(graph, n, region.get(n.id)));
  if (products.length === 0) return "there is no product for each expert";
  const { requests, candidates } = graph.serve;
  if ((graph.nodes[rows.gate].program === "item" ? candidates : requests) <= 1) return "a call has one row";
  const sizes = { R: requests, N: candidates };
  const work = products.reduce((sum, n) => sum + flopsOf(graph, n, sizes), 0);
  const saved = work * (1 - activeShare(graph, rows));
  return saved < LEAST_SAVED ? `it would save ${Math.round(saved)} FLOPs a call` : void 0;
}
function isRowProduct(graph, node, rows) {
  const { op, inputs, type } = node;
  if (op.kind !== "einsum" || inputs.length !== 2 || rows === void 0) return false;
  const columns = type.shape.reduce((n, s, a) => rows.axes.includes(a) ? n : n * s, 1);
  const shape = inputs[0].map?.out ?? graph.nodes[inputs[0].id].type.shape;
  const terms = op.operands[0].reduce((n, l, a) => op.out.includes(l) ? n : n * shape[a], 1);
  return columns >= THIN2 && terms >= THIN2;
}
function activeShare(graph, rows) {
  if (rows.chosen === void 0) return EXPECTED_ACTIVE;
  const all = { gate: rows.gate };
  return rowsOf(graph, rows) / rowsOf(graph, all);
}
function flopsOf(graph, node, sizes) {
  const types = node.inputs.map((o) => {
    const { type } = graph.nodes[o.id];
    return { shape: o.map?.out ?? type.shape, dtype: type.dtype };
  });
  return opDef(node.op.kind).flops(node.op, types, node.type, sizes);
}
function byGate(region) {
  const gates = /* @__PURE__ */ new Map();
  for (const [id, { gate }] of region) gates.set(gate, [...gates.get(gate) ?? [], id]);
  return gates;
}
function explainGates(graph, region, denseOf, { explain }) {
  if (explain === void 0) return;
  for (const [gate, ids] of byGate(region)) {
    const node = graph.nodes[gate];
    const name2 = node.path || node.op.kind;
    const dense = denseOf.get(gate);
    const rows = region.get(ids[0]);
    const all = rowsOf(graph, { gate });
    explain(
      dense ? `the experts behind ${name2} stay dense: ${dense}` : `the experts behind ${name2} are computed at the rows that it chooses, at most ${rowsOf(graph, rows)} of ${all} for each ${node.program === "item" ? "candidate" : "request"}`
    );
  }
}
function marked(graph, region) {
  const groups2 = new Map([...byGate(region)].map(([gate, ids]) => [gate, groupAxes(graph, region, ids)]));
  const position = [];
  const order = [];
  const place3 = (node) => {
    if (position[node.id] !== void 0) return;
    const rows = region.get(node.id);
    for (const { id } of node.inputs) place3(graph.nodes[id]);
    if (rows) place3(graph.nodes[rows.gate]);
    position[node.id] = order.length;
    order.push(node);
  };
  for (const node of graph.nodes) place3(node);
  const rename = (o) => ({ ...o, id: position[o.id] });
  const nodes = order.map((node, id) => {
    const found = region.get(node.id);
    const rows = found && {
      gate: position[found.gate],
      axes: found.axes,
      groups: groups2.get(found.gate) ?? [],
      most: rowsOf(graph, found)
    };
    return { ...node, id, inputs: node.inputs.map(rename), ...rows && { rows } };
  });
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: rename(o.value),
    ...o.logit ? { logit: rename(o.logit) } : {}
  }));
  return pruneGraph({ ...graph, nodes, outputs });
}
function groupAxes(graph, region, ids) {
  const found = /* @__PURE__ */ new Set();
  for (const id of ids) {
    const node = graph.nodes[id];
    const { op } = node;
    const rows = region.get(id);
    if (op.kind !== "einsum" || !isAnchor(node) || rows === void 0) continue;
    node.inputs.forEach((o, k) => {
      if (graph.nodes[o.id].program !== "load") return;
      rows.axes.forEach((a, g) => {
        if (op.operands[k].includes(op.out[a])) found.add(g);
      });
    });
  }
  return [...found].sort((a, b) => a - b);
}

// passes/spell-top-k.ts
init_expr();
init_indexmap();

// src/ir/print.ts
init_indexmap();
init_stage();

// src/ir/parse.ts
init_indexmap();
init_scalar();
init_stage();

// src/ir/print.ts
function printOperand({ id, map }) {
  return map === void 0 ? `%${id}` : `%${id}{${printMap(map)}}`;
}

// passes/spell-top-k.ts
var spellTopK = definePass({
  name: "spell-top-k",
  summary: "spells the k largest along an axis as ranks: how many others come before each",
  run(graph) {
    const out = new Rewriter(graph);
    const known = /* @__PURE__ */ new Map();
    for (const node of graph.nodes) {
      const { op } = node;
      if (op.kind !== "top_k_mask" && op.kind !== "top_k_index") {
        out.copy(node);
        continue;
      }
      const x = out.operand(node.inputs[0]);
      const key = `${op.axis} of ${printOperand(x)} for ${node.program}`;
      const ranks = known.get(key) ?? ranksOf(node, op.axis, x, out);
      known.set(key, ranks);
      out.replace(node.id, op.kind === "top_k_mask" ? mask(node, op, ranks, out) : index(node, op, ranks, out));
    }
    return out.finish();
  }
});
function sitesOf({ path, origin, program }) {
  const about = { path, ...origin && { origin }, ...program && { program } };
  return { about, fixed: { ...about, ...program && { program: "load" } } };
}
function ranksOf(node, along, x, out) {
  const { about, fixed: fixed2 } = sitesOf(node);
  const { shape } = out.typeOf(x);
  const rank = shape.length;
  const size = shape[along];
  const square = [...shape, size];
  const self = identityMap(square).index.slice(0, rank);
  const other = self.map((e, a) => a === along ? axis(`i${rank}`, size) : e);
  const view2 = (operand, at2) => mapped2(operand, { out: square, index: at2 });
  const pw = (fn, ...inputs) => out.add({ kind: "pointwise", fn }, inputs, about);
  const iota2 = out.add({ kind: "iota" }, [], fixed2, { shape: [size], dtype: "i32" });
  const [xi, xj] = [view2(x, self), view2(x, other)];
  const [i, j] = [view2(iota2, [axis(`i${along}`, size)]), view2(iota2, [axis(`i${rank}`, size)])];
  const before = pw("or", pw("gt", xj, xi), pw("and", pw("eq", xj, xi), pw("lt", j, i)));
  const sum = { kind: "reduce", fn: "sum", axes: [rank], keep: false };
  return { ranks: out.add(sum, [pw("to_num", before)], about), iota: iota2 };
}
function mask(node, op, { ranks }, out) {
  const { shape } = node.type;
  const k = out.add({ kind: "const", value: op.k }, [], sitesOf(node).about, { shape, dtype: "num" });
  return out.add({ kind: "pointwise", fn: "lt" }, [ranks, k], node, node.type);
}
function index(node, op, { ranks, iota: iota2 }, out) {
  const { about, fixed: fixed2 } = sitesOf(node);
  const { shape } = out.typeOf(ranks);
  const rank = shape.length;
  const places = [...shape, op.k];
  const view2 = (operand, at3) => mapped2(operand, { out: places, index: at3 });
  const pw = (fn, ...inputs) => out.add({ kind: "pointwise", fn }, inputs, about);
  const r = out.add({ kind: "iota" }, [], fixed2, { shape: [op.k], dtype: "i32" });
  const at2 = pw(
    "eq",
    view2(ranks, identityMap(places).index.slice(0, rank)),
    pw("to_num", view2(r, [axis(`i${rank}`, op.k)]))
  );
  const zero = out.add({ kind: "const", value: 0 }, [], about, { shape: places, dtype: "num" });
  const mine = pw("where", at2, pw("to_num", view2(iota2, [axis(`i${op.axis}`, shape[op.axis])])), zero);
  const summed = out.add({ kind: "reduce", fn: "sum", axes: [op.axis], keep: false }, [mine], about);
  const target = node.type.shape;
  const back = [
    ...shape.flatMap((_, a) => a === op.axis ? [] : [axis(`i${a}`, target[a])]),
    axis(`i${op.axis}`, target[op.axis])
  ];
  const cast2 = { kind: "pointwise", fn: "to_i32" };
  return out.add(cast2, [mapped2(summed, { out: target, index: back })], node, node.type);
}
function mapped2(operand, map) {
  return { id: operand.id, map: operand.map ? composeMaps(map, operand.map) : map };
}

// passes/split-stages.ts
init_expr();
init_indexmap();
init_stage();
init_stagetable();
var MOST_PIECES = 8;
var LEAST_SAVING = 65536;
var PROGRAMS = ["load", "load", "user", "item"];
var splitStages = definePass({
  name: "split-stages",
  summary: "cuts values by stage, assigns each op to the load, user or item program and makes batch axes explicit",
  run(graph, { reuse = true }) {
    return pruneGraph(new Splitter(graph, reuse).run());
  }
});
var Splitter = class {
  out;
  /** By the id of what was made. */
  placed = /* @__PURE__ */ new Map();
  parts = /* @__PURE__ */ new Map();
  cuts = /* @__PURE__ */ new Map();
  gathers = /* @__PURE__ */ new Map();
  constants;
  /** Values that a constant mask replaces in part. */
  masked = /* @__PURE__ */ new Set();
  graph;
  reuse;
  constructor(graph, reuse) {
    this.graph = graph;
    this.reuse = reuse;
    this.out = new Rewriter(graph);
    this.constants = new ConstantTable((id) => graph.nodes[id]);
  }
  /** Marks what element-wise ops carry from `operand` up to a mask. */
  markMasked(operand) {
    const node = this.graph.nodes[operand.id];
    if (operand.map || this.masked.has(node.id)) return;
    this.masked.add(node.id);
    if (node.op.kind === "pointwise") for (const o of node.inputs) this.markMasked(o);
  }
  run() {
    for (const { op, inputs } of this.graph.nodes) {
      if (op.kind !== "pointwise" || op.fn !== "where" || this.constants.of(inputs[0]) === void 0)
        continue;
      for (const o of inputs.slice(1)) this.markMasked(o);
    }
    for (const node of this.graph.nodes) {
      if (isSource(node.op)) continue;
      if (isInline(node.op)) this.part(node, fullBox(this.shapeOf(node.id)));
      if (!isInline(node.op) || !isUniform(node.stage))
        this.walk(this.cutOf(node), (c) => this.part(node, c.box));
    }
    const outputs = this.graph.outputs.map((o) => {
      const value2 = this.output(o.value);
      return { ...o, value: value2, ...o.logit ? { logit: this.output(o.logit) } : {} };
    });
    return { ...this.graph, nodes: this.out.nodes, outputs };
  }
  /** A task's value, with a candidate axis whatever its stage. */
  output(read) {
    const box = fullBox(seenShape(read, this.graph.nodes));
    return this.batched(this.read(read, box), "item", "broadcast");
  }
  walk(cut, visit) {
    if (cut.kind === "whole") visit(cut);
    else for (const c of cut.parts) this.walk(c, visit);
  }
  shapeOf(id) {
    return this.graph.nodes[id].type.shape;
  }
  /** A new value that holds at least `box` of old value `id`. */
  value(id, box) {
    const node = this.graph.nodes[id];
    if (isSource(node.op)) return this.part(node, fullBox(this.shapeOf(id)));
    if (isInline(node.op)) {
      const shape = this.shapeOf(id);
      return this.part(node, isUniform(node.stage) ? fullBox(shape) : growBox(node.op, box, shape));
    }
    return this.covering(node, this.cutOf(node), box);
  }
  covering(node, cut, box) {
    if (cut.kind === "whole") return this.part(node, cut.box);
    const touched = cut.parts.filter((c) => !isEmpty(intersect(c.box, box)));
    if (touched.length === 1) return this.covering(node, touched[0], box);
    const parts = touched.map((c) => this.covering(node, c, c.box));
    const from = parts[0].box.from;
    const to = parts[parts.length - 1].box.to;
    const joined = { from, to };
    const key = `${node.id}@${boxKey(joined)}`;
    const known = this.parts.get(key);
    if (known) return known;
    const program = latest2(parts.map((p) => p.program));
    const made = this.make(
      { kind: "concat", axis: cut.axis },
      parts.map((p) => ({ part: p, map: void 0 })),
      program,
      node,
      sizesOf(joined)
    );
    const part = { id: made, program, box: joined };
    this.parts.set(key, part);
    return part;
  }
  /** `box` of what `node` computes, as one new node in the earliest program that can. */
  part(node, box) {
    const key = `${node.id}:${boxKey(box)}`;
    const known = this.parts.get(key);
    if (known) return known;
    const made = this.compute(node, box);
    this.parts.set(key, made);
    return made;
  }
  compute(node, box) {
    const level = this.levelIn(node.stage, box);
    const about = { path: node.path, origin: node.origin };
    if (isSource(node.op)) {
      if (node.op.kind === "feature") {
        const program2 = maxLevel(node.stage) === 3 ? "item" : "user";
        const type = { shape: [batch(program2), ...node.type.shape], dtype: node.type.dtype };
        return { id: this.out.add(node.op, [], { ...about, program: program2 }, type).id, program: program2, box };
      }
      return {
        id: this.out.add(node.op, [], { ...about, program: "load" }, node.type).id,
        program: "load",
        box
      };
    }
    if (level === 0 && node.type.dtype === "num") {
      const type = { shape: sizesOf(box), dtype: node.type.dtype };
      return {
        id: this.out.add({ kind: "const", value: 0 }, [], { ...about, program: "load" }, type).id,
        program: "load",
        box
      };
    }
    const shapes = node.inputs.map((o) => seenShape(o, this.graph.nodes));
    if (node.op.kind === "einsum") {
      const summands = this.summandsOf(node, node.op, box, shapes);
      if (summands) return this.sumOf(node, node.op, box, shapes, summands);
    }
    if (node.op.kind === "pointwise") {
      const arm = this.chosenArm(node, node.op, box);
      if (arm !== void 0) return this.viewed(node, box, this.read(arm, box));
      const pieces2 = this.unmasked(node, box, PROGRAMS[level]);
      if (pieces2) return pieces2;
    }
    const needed = neededOperands(node, box, shapes);
    const reads = needed.map((k) => this.read(node.inputs[k], operandBox(node, box, k, shapes)));
    if (node.op.kind === "concat" && reads.length === 1 && !reads[0].map) return { ...reads[0].part, box };
    const program = latest2([PROGRAMS[level], ...reads.map((r) => r.part.program)]);
    const id = this.make(node.op, reads, program, node, sizesOf(box));
    if (!isInline(node.op)) this.placed.set(id, { node: node.id, box, program });
    return { id, program, box };
  }
  /** The operand of a `where` whose constant mask chooses the same one everywhere in the box. */
  chosenArm(node, op, box) {
    if (op.fn !== "where") return void 0;
    const [mask2, yes, no] = node.inputs;
    const known = this.constants.of(mask2);
    if (known === void 0 || isEmpty(box)) return void 0;
    const strides = stridesOf(known.shape);
    const start = box.from.reduce((at2, f, a) => at2 + f * strides[a], 0);
    const chosen = known.data[start] !== 0;
    let same2 = true;
    forEachCell(sizesOf(box), (cell2) => {
      same2 &&= known.data[cell2.reduce((at2, i, a) => at2 + i * strides[a], start)] !== 0 === chosen;
    });
    if (!same2) return void 0;
    return chosen ? yes : no;
  }
  /**
   * The box in pieces side by side, where reading it whole would tie it to a later program than its own elements are: what a
   * mask replaces is not read, so that the user's rows of a masked token mixing stay the user's.
   */
  unmasked(node, box, wanted) {
    const whole = latest2(node.inputs.map((o) => this.read(o, box).part.program));
    if (latest2([whole, wanted]) === wanted) return void 0;
    const tables = [node.stage, ...node.inputs.map((o) => this.seenStage(o))];
    let pieces2;
    for (let a = 0; a < box.from.length; a++) {
      const inside = tables.flatMap((t) => t.cuts[a]).filter((c) => c > box.from[a] && c < box.to[a]);
      const ends = [.../* @__PURE__ */ new Set([box.from[a], ...inside, box.to[a]])].sort((x, y) => x - y);
      if (ends.length < 3 || ends.length > MOST_PIECES + 1) continue;
      if (pieces2 && pieces2.boxes.length <= ends.length - 1) continue;
      pieces2 = { axis: a, boxes: ends.slice(1).map((to, i) => ranged(box, a, ends[i], to)) };
    }
    if (!pieces2) return void 0;
    const parts = pieces2.boxes.map((b) => this.part(node, b));
    const program = latest2(parts.map((p) => p.program));
    if (latest2([program, wanted]) !== wanted) return void 0;
    const reads = parts.map((part) => ({ part, map: void 0 }));
    const op = { kind: "concat", axis: pieces2.axis };
    return { id: this.make(op, reads, program, node, sizesOf(box)), program, box };
  }
  /** What is read, as a value of its own. */
  viewed(node, box, read) {
    if (!read.map) return { ...read.part, box };
    const { program } = read.part;
    return { id: this.make({ kind: "view" }, [read], program, node, sizesOf(box)), program, box };
  }
  seenStage({ id, map }) {
    const { stage } = this.graph.nodes[id];
    return map ? viewStage(stage, map) : stage;
  }
  /**
   * The runs of a contracted axis whose products belong to different programs, or are known to be zero: the user's share of
   * a sum over mixed channels is computed once a request and kept, the zeros that a mask leaves are not multiplied.
   */
  summandsOf(node, op, box, shapes) {
    const tables = node.inputs.map((o) => this.seenStage(o));
    const boxes = node.inputs.map((_, k) => operandBox(node, box, k, shapes));
    const summed = new Set(op.operands.flat().filter((l) => !op.out.includes(l)));
    let best;
    for (const label of summed) {
      const size = sizeOfLabel(op, shapes, label);
      const found = runs(
        0,
        size,
        op.operands.flatMap((labels, k) => labels.flatMap((l, i) => l === label ? tables[k].cuts[i] : [])),
        (from, to) => {
          const levels2 = tables.map(
            (table, k) => this.levelIn(table, narrowed(boxes[k], op.operands[k], label, from, to))
          );
          return levels2.includes(0) ? 0 : Math.max(...levels2);
        }
      );
      const groups2 = bridged(found);
      if (groups2.length < 2 || groups2.length > MOST_PIECES) continue;
      const latestLevel = Math.max(...groups2.map((g) => g.level));
      const zeros = groups2.some((g) => g.level === 0);
      const early = groups2.reduce(
        (sum, g) => sum + (g.level > 0 && g.level < latestLevel ? g.to - g.from : 0),
        0
      );
      const work = 2 * sizesOf(box).reduce((p, n) => p * n, 1) * early * this.graph.serve.candidates;
      const saved = (zeros ? size : 0) + early;
      if ((zeros || work >= LEAST_SAVING) && saved > (best?.saved ?? 0)) best = { label, groups: groups2, saved };
    }
    return best;
  }
  /** The sum of an einsum's parts over runs of one contracted axis, each in the program of its run. */
  sumOf(node, op, box, shapes, { label, groups: groups2 }) {
    const shape = sizesOf(box);
    const latestFirst = groups2.filter((g) => g.level > 0).sort((a, b) => b.level - a.level || a.from - b.from);
    const parts = latestFirst.map(({ from, to, level }) => {
      const reads = node.inputs.map(
        (o, k) => this.read(o, narrowed(operandBox(node, box, k, shapes), op.operands[k], label, from, to))
      );
      const program = latest2([PROGRAMS[level], ...reads.map((r) => r.part.program)]);
      const id = this.make(op, reads, program, node, shape);
      this.placed.set(id, { node: node.id, box, program, summed: { label, from, to } });
      return { id, program, box };
    });
    return parts.reduce((sum, part) => {
      const program = latest2([sum.program, part.program]);
      const reads = [sum, part].map((p) => ({ part: p, map: void 0 }));
      return { id: this.make({ kind: "pointwise", fn: "add" }, reads, program, node, shape), program, box };
    });
  }
  /** A read of `box` of the view `operand`, as a view of a new value. */
  read(operand, box) {
    const shape = this.shapeOf(operand.id);
    const part = this.value(operand.id, storedBox(box, operand.map, shape));
    const map = restrictMap(operand.map, shape, box, part.box);
    return isIdentity(map, sizesOf(part.box)) ? { part, map: void 0 } : { part, map };
  }
  /** Adds the op in `program`, its operands and attributes given the batch axis. */
  make(op, reads, program, node, shape) {
    const about = { path: node.path, origin: node.origin, program };
    if (program === "load") {
      const inputs2 = reads.map((r) => this.batched(r, "load", "broadcast"));
      return this.out.add(op, inputs2, about, { shape, dtype: node.type.dtype }).id;
    }
    const type = { shape: [batch(program), ...shape], dtype: node.type.dtype };
    if (op.kind === "einsum") {
      const label = Math.max(-1, ...op.out, ...op.operands.flat()) + 1;
      const operands = op.operands.map(
        (labels, k) => reads[k].part.program === "load" ? labels : [label, ...labels]
      );
      const inputs2 = reads.map((r) => this.batched(r, program, "bare"));
      return this.out.add({ kind: "einsum", operands, out: [label, ...op.out] }, inputs2, about, type).id;
    }
    if (op.kind === "lookup" && reads[0].part.program === "load") {
      const inputs2 = [
        this.batched(reads[0], "load", "broadcast"),
        this.batched(reads[1], program, "broadcast")
      ];
      return this.out.add(op, inputs2, about, type).id;
    }
    const inputs = reads.map((r) => this.batched(r, program, "broadcast"));
    return this.out.add(withBatch(op), inputs, about, type).id;
  }
  /** The operand for a node of `program`: requests gathered, the batch axis in its map; `bare` leaves load values without one. */
  batched(read, program, load2) {
    const { part } = read;
    const typeOf = (id2) => this.out.nodes[id2].type;
    if (part.program === "load") {
      if (program === "load" || load2 === "bare") return through({ id: part.id }, read.map, typeOf);
      const inner = read.map ?? identityMap(typeOf(part.id).shape);
      return { id: part.id, map: { out: [batch(program), ...inner.out], index: shifted(inner) } };
    }
    const id = part.program === "user" && program === "item" ? this.byRequest(part.id) : part.id;
    if (!read.map) return { id };
    const lead = batch(program);
    return through(
      { id },
      { out: [lead, ...read.map.out], index: [axis("i0", lead), ...shifted(read.map)] },
      typeOf
    );
  }
  byRequest(id) {
    let gather2 = this.gathers.get(id);
    if (gather2 === void 0) {
      const node = this.out.nodes[id];
      const type = { shape: ["N", ...node.type.shape.slice(1)], dtype: node.type.dtype };
      const about = { path: node.path, origin: node.origin, program: "item" };
      gather2 = this.out.add({ kind: "by_request" }, [{ id }], about, type).id;
      this.gathers.set(id, gather2);
    }
    return gather2;
  }
  cutOf(node) {
    let cut = this.cuts.get(node.id);
    if (!cut) {
      cut = this.cutBox(node, fullBox(this.shapeOf(node.id)), cuttableAxes(node.op, node.type.shape.length));
      this.cuts.set(node.id, cut);
    }
    return cut;
  }
  /** Cuts `box` along the axis that moves the most work to an earlier program, and the pieces again. */
  cutBox(node, box, cuttable) {
    const level = this.levelIn(node.stage, box);
    let best;
    for (let a = 0; a < cuttable.length; a++) {
      if (!cuttable[a]) continue;
      const groups3 = this.groupsAlong(node.stage, box, a);
      if (groups3.length < 2 || groups3.length > MOST_PIECES) continue;
      const early = groups3.reduce((sum, g) => sum + (g.level < level ? g.to - g.from : 0), 0);
      const saved = early / (box.to[a] - box.from[a]);
      if (saved > (best?.saved ?? 0)) best = { axis: a, groups: groups3, saved };
    }
    if (!best) return this.masked.has(node.id) ? this.cutCorner(node, box, cuttable) : { kind: "whole", box };
    const { axis: along, groups: groups2 } = best;
    const parts = groups2.map((g) => this.cutBox(node, ranged(box, along, g.from, g.to), cuttable));
    return { kind: "along", axis: along, box, parts };
  }
  /**
   * Under a mask a corner of a value may be early though no row and no column of it is: the scores of user queries against user
   * keys. It is cut out along two axes; what the mask replaces in the same rows is then read by nobody.
   */
  cutCorner(node, box, cuttable) {
    const level = this.levelIn(node.stage, box);
    const corners = [...pieces(node.stage)].filter((p) => p.level < level && !isEmpty(intersect(p, box)));
    const corner = corners.map((p) => intersect(p, box)).find((p) => this.levelIn(node.stage, p) < level);
    const along = corner && cuttable.findIndex((can, a) => can && corner.to[a] - corner.from[a] < box.to[a] - box.from[a]);
    if (!corner || along === void 0 || along < 0) return { kind: "whole", box };
    const ends = [.../* @__PURE__ */ new Set([box.from[along], corner.from[along], corner.to[along], box.to[along]])];
    const parts = ends.slice(1).map((to, i) => this.cutBox(node, ranged(box, along, ends[i], to), cuttable));
    return { kind: "along", axis: along, box, parts };
  }
  /** The runs of equal latest stage along axis `a` within `box`. */
  groupsAlong(table, box, a) {
    return runs(
      box.from[a],
      box.to[a],
      table.cuts[a],
      (from, to) => this.levelIn(table, ranged(box, a, from, to))
    );
  }
  /** The latest stage of any element of the box; without reuse, what depends on the request runs for every candidate. */
  levelIn(table, box) {
    let level = 0;
    for (const piece2 of pieces(table)) {
      if (piece2.level > level && !isEmpty(intersect(piece2, box))) level = piece2.level;
    }
    return level === 2 && !this.reuse ? 3 : level;
  }
};
function isInline(op) {
  switch (op.kind) {
    case "pointwise":
    case "view":
    case "concat":
    case "pad":
    case "take":
    case "lookup":
    case "by_request":
      return true;
    default:
      return false;
  }
}
function runs(from, to, cuts, levelOf) {
  const inside = [...new Set(cuts)].filter((c) => c > from && c < to).sort((a, b) => a - b);
  const ends = [from, ...inside, to];
  const groups2 = [];
  for (let i = 0; i + 1 < ends.length; i++) {
    const level = levelOf(ends[i], ends[i + 1]);
    const last2 = groups2[groups2.length - 1];
    if (last2 && last2.level === level) groups2[groups2.length - 1] = { ...last2, to: ends[i + 1] };
    else groups2.push({ from: ends[i], to: ends[i + 1], level });
  }
  return groups2;
}
function bridged(groups2) {
  const joined = [];
  for (const next of groups2) {
    const [run2, hole] = joined.slice(-2);
    const fewer = run2 && hole && hole.to - hole.from <= run2.to - run2.from + (next.to - next.from);
    if (fewer && hole.level === 0 && run2.level === next.level) joined.splice(-2, 2, { ...run2, to: next.to });
    else joined.push(next);
  }
  return joined;
}
function narrowed(box, labels, label, from, to) {
  return {
    from: box.from.map((f, i) => labels[i] === label ? from : f),
    to: box.to.map((t, i) => labels[i] === label ? to : t)
  };
}
function sizeOfLabel(op, shapes, label) {
  const k = op.operands.findIndex((labels) => labels.includes(label));
  return shapes[k][op.operands[k].indexOf(label)];
}
function ranged(box, a, from, to) {
  return {
    from: box.from.map((f, i) => i === a ? from : f),
    to: box.to.map((t, i) => i === a ? to : t)
  };
}
function latest2(programs) {
  return programs.includes("item") ? "item" : programs.includes("user") ? "user" : "load";
}
function batch(program) {
  return program === "item" ? "N" : "R";
}
function shifted(map) {
  const at2 = new Map(map.out.map((extent2, i) => [`i${i}`, axis(`i${i + 1}`, extent2)]));
  return map.index.map((e) => substitute(e, at2));
}
function withBatch(op) {
  switch (op.kind) {
    case "concat":
    case "pad":
    case "softmax":
    case "top_k_mask":
    case "top_k_index":
    case "take":
      return { ...op, axis: op.axis + 1 };
    case "reduce":
      return { ...op, axes: op.axes.map((a) => a + 1) };
    case "lookup":
      return { kind: "take", axis: 1 };
    default:
      return op;
  }
}

// passes/pipeline.ts
var graphPasses = [
  simplify2,
  demand,
  foldLayout,
  contract,
  simplify2,
  splitStages,
  sparsifyExperts,
  spellTopK,
  assignLayout
];
var planPasses = [schedule, planMemory];
var passes = [
  ...graphPasses,
  fuse,
  ...planPasses
].map(({ name: name2, summary }) => ({ name: name2, summary }));
function runPipeline(graph, options) {
  const { profile, reuse = true, onExplain } = options;
  const context = { profile, reuse, ...onExplain && { explain: onExplain } };
  let current = graph;
  for (const pass of graphPasses) {
    current = pass.run(current, context);
    options.onPass?.(pass.name, current);
  }
  let fused = fuse.run(current, context);
  options.onPass?.(fuse.name, fused.plan);
  for (const pass of planPasses) {
    if (pass === planMemory && options.reuseArena === false) continue;
    fused = pass.run(fused, context);
    options.onPass?.(pass.name, fused.plan);
  }
  return fused;
}

// src/files.ts
init_error();

// src/artifact.ts
init_error();

// src/variant.ts
var stages = ["load", "user", "item"];
function allKernels(plan) {
  return stages.flatMap((stage) => plan.kernels[stage]);
}

// src/ir/choices.ts
init_stage();
var COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"];
var STEPS = ["floor", "sign", "floordiv", "mod", "to_i32", "to_bool"];
var DISCONTINUOUS = /* @__PURE__ */ new Set([...COMPARISONS, ...STEPS]);
var EXACT = /* @__PURE__ */ new Set([
  "neg",
  "abs",
  "sign",
  "floor",
  "relu",
  "min",
  "max",
  "clamp",
  "where",
  "to_num"
]);
function exactNodes(graph) {
  const exact = [];
  for (const node of graph.nodes) exact.push(isExact(node, exact));
  return exact;
}
function isExact(node, exact) {
  const { op, inputs } = node;
  if (node.type.dtype !== "num") return true;
  const all = inputs.every(({ id }) => exact[id]);
  switch (op.kind) {
    case "feature":
      return true;
    case "const":
      return isF32(op.value);
    case "data":
      return op.values.every(isF32);
    case "pad":
      return all && isF32(op.fill);
    case "pointwise":
      return all && EXACT.has(op.fn);
    case "reduce":
      return all && (op.fn === "max" || op.fn === "min");
    case "view":
    case "concat":
    case "take":
    case "by_request":
      return all;
    default:
      return false;
  }
}
function isF32(value2) {
  return Object.is(Math.fround(value2), value2);
}
function isChoice(node, exact) {
  const { op } = node;
  const jumps = op.kind === "top_k_mask" || op.kind === "top_k_index" || op.kind === "pointwise" && DISCONTINUOUS.has(op.fn);
  return jumps && node.inputs.some(({ id }) => !exact[id]);
}
var PREFIX = "#choice:";
function withChoices(graph) {
  const exact = exactNodes(graph);
  const live = liveNodes(graph);
  const choices = graph.nodes.filter((node) => live[node.id] && isChoice(node, exact));
  const outputs = choices.map(
    (node) => ({
      name: `${PREFIX}${node.id}`,
      value: { id: node.id },
      shape: node.type.shape.map((extent2) => {
        if (typeof extent2 !== "number")
          throw new Error("internal: choices are marked before the stages are split");
        return extent2;
      })
    })
  );
  return { ...graph, outputs: [...graph.outputs, ...outputs] };
}
function liveNodes(graph) {
  const live = graph.nodes.map(() => false);
  for (const { value: value2 } of graph.outputs) live[value2.id] = true;
  for (const node of graph.nodes.toReversed()) {
    if (live[node.id]) for (const { id } of node.inputs) live[id] = true;
  }
  return live;
}

// src/compile.ts
init_profile();

// grammar/brackets.ts
import { createTokenInstance } from "chevrotain";

// grammar/lexer.ts
import { Lexer as Lexer2 } from "chevrotain";

// grammar/slashes.ts
function isDivision(text, offset) {
  if (/\S/.test(text[offset - 1] ?? " ") && /[\w(]/.test(text[offset + 2] ?? " ")) return true;
  const divisor = divisorAt(text, offset + 2);
  return divisor !== void 0 && (divisor.beginsWithNumber || divisor.closes);
}
var piece = /[ \t]*(?:(?<number>\d[\w.]*)|(?<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?<comment>\/\/|\/\*)|(?<operator>\|>|[<>=!]=|[-+*/%<>])|(?<open>[([])|(?<close>[)\]])|(?<separator>[,:=])|(?<end>[\r\n]|$))/y;
function divisorAt(text, start) {
  const names = [];
  let beginsWithNumber = false;
  let depth = 0;
  let expectOperand = true;
  let separators = 0;
  let last2 = "";
  piece.lastIndex = start;
  for (let first2 = true; ; first2 = false) {
    const at2 = piece.lastIndex;
    const groups2 = piece.exec(text)?.groups;
    if (groups2 === void 0) return void 0;
    const { number, name: name2, open: open2, close, operator: operator2, separator } = groups2;
    if (number !== void 0 || name2 !== void 0) {
      if (!expectOperand) return void 0;
      if (first2) beginsWithNumber = number !== void 0;
      if (name2 !== void 0) names.push(name2.split(".")[0] ?? name2);
      expectOperand = false;
      last2 = name2 === void 0 ? "number" : "name";
    } else if (open2 !== void 0) {
      const touchesName = last2 === "name" && piece.lastIndex === at2 + 1;
      if (expectOperand ? open2 !== "(" : !touchesName) return void 0;
      depth += 1;
      expectOperand = true;
      last2 = open2;
    } else if (operator2 !== void 0) {
      if (expectOperand) return void 0;
      expectOperand = true;
      last2 = operator2;
    } else if (separator !== void 0) {
      const beginsSlice = separator === ":" && last2 === ",";
      if (expectOperand && !beginsSlice) return void 0;
      if (depth === 0) separators += 1;
      expectOperand = true;
      last2 = separator;
    } else if (close !== void 0) {
      if (expectOperand && last2 !== ":") return void 0;
      if (depth === 0) return { names, beginsWithNumber, closes: true };
      depth -= 1;
      expectOperand = false;
      last2 = close;
    } else {
      const complete = expectOperand ? last2 === "," && separators === 1 : separators === 0;
      return depth === 0 && complete ? { names, beginsWithNumber, closes: false } : void 0;
    }
  }
}

// grammar/tokens.ts
import { createToken, Lexer } from "chevrotain";
var Name = createToken({ name: "Name", pattern: Lexer.NA });
var BinaryOperator = createToken({ name: "BinaryOperator", pattern: Lexer.NA });
var PrefixOperator = createToken({ name: "PrefixOperator", pattern: Lexer.NA });
var Identifier = createToken({ name: "Identifier", pattern: /[A-Za-z_]\w*/, categories: [Name] });
var word = (image, categories) => createToken({
  name: image[0]?.toUpperCase() + image.slice(1),
  pattern: image,
  longer_alt: Identifier,
  categories
});
var keyword = (image) => word(image, [Name]);
var Use = keyword("use");
var Block = keyword("block");
var Model = keyword("model");
var Let = keyword("let");
var Table = keyword("table");
var User = keyword("user");
var Item = keyword("item");
var Tokens = keyword("tokens");
var Return = keyword("return");
var Repeat = keyword("repeat");
var If = keyword("if");
var Else = keyword("else");
var Param = keyword("param");
var Task = keyword("task");
var Loss = keyword("loss");
var LabelWord = keyword("label");
var Precision = keyword("precision");
var Serve = keyword("serve");
var As = keyword("as");
var In = keyword("in");
var Of = keyword("of");
var Id = keyword("id");
var Ids = keyword("ids");
var Seq = keyword("seq");
var F322 = keyword("f32");
var F16 = keyword("f16");
var Bf16 = keyword("bf16");
var I322 = keyword("i32");
var Int8 = keyword("int8");
var Fp8E4m3 = keyword("fp8_e4m3");
var Fp8E5m2 = keyword("fp8_e5m2");
var Num = keyword("num");
var BoolType = keyword("bool");
var IntType = keyword("int");
var FloatType = keyword("float");
var FnType = keyword("fn");
var StringType = keyword("string");
var Compute = keyword("compute");
var Derived = keyword("derived");
var Per = keyword("per");
var Channel = keyword("channel");
var GroupWord = keyword("group");
var Inputs = keyword("inputs");
var True = word("true", []);
var False = word("false", []);
var Inf = word("inf", []);
var And = word("and", [BinaryOperator]);
var Or = word("or", [BinaryOperator]);
var Not = word("not", [PrefixOperator]);
var FloatLiteral = createToken({
  name: "FloatLiteral",
  pattern: /\d+(?:_\d+)*(?:\.\d+(?:_\d+)*(?:[eE][+-]?\d+)?|[eE][+-]?\d+)(?!\w)/
});
var IntLiteral = createToken({ name: "IntLiteral", pattern: /\d+(?:_\d+)*(?!\w)/ });
var BadNumber = createToken({ name: "BadNumber", pattern: /\d\w*(?:\.\d\w*)?/ });
var StringLiteral = createToken({
  name: "StringLiteral",
  pattern: /"(?:[^"\\\n\r]|\\[^\n\r])*"/
});
var BadString = createToken({ name: "BadString", pattern: /"(?:[^"\\\n\r]|\\[^\n\r])*\\?/ });
var operator = (name2, image, ...categories) => createToken({ name: name2, pattern: image, categories });
var PipeOperator = operator("PipeOperator", "|>", BinaryOperator);
var Arrow = operator("Arrow", "->");
var LessEqual = operator("LessEqual", "<=", BinaryOperator);
var GreaterEqual = operator("GreaterEqual", ">=", BinaryOperator);
var EqualEqual = operator("EqualEqual", "==", BinaryOperator);
var NotEqual = operator("NotEqual", "!=", BinaryOperator);
var Less = operator("Less", "<", BinaryOperator);
var Greater = operator("Greater", ">", BinaryOperator);
var Plus = operator("Plus", "+", BinaryOperator);
var Minus = operator("Minus", "-", BinaryOperator, PrefixOperator);
var Star = operator("Star", "*", BinaryOperator);
var Percent = operator("Percent", "%", BinaryOperator);
var Slash = operator("Slash", "/", BinaryOperator);
var Equals = operator("Equals", "=");
var Comma = operator("Comma", ",");
var Colon = operator("Colon", ":");
var Ellipsis = operator("Ellipsis", "...");
var Dot = operator("Dot", ".");
var LParen = operator("LParen", "(");
var RParen = operator("RParen", ")");
var LSquare = operator("LSquare", "[");
var RSquare = operator("RSquare", "]");
var LCurly = operator("LCurly", "{");
var RCurly = operator("RCurly", "}");
var SlashSlash = createToken({
  name: "SlashSlash",
  pattern: (text, offset, previous) => {
    if (!text.startsWith("//", offset)) return null;
    const before = previous.at(-1);
    return before !== void 0 && endsOperand(before.tokenType) && isDivision(text, offset) ? ["//"] : null;
  },
  start_chars_hint: ["/"],
  line_breaks: false,
  categories: [BinaryOperator]
});
var LineComment = createToken({ name: "LineComment", pattern: /\/\/[^\n\r]*/ });
var BlockComment = createToken({
  name: "BlockComment",
  pattern: /\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\//,
  line_breaks: true
});
var BadComment = createToken({ name: "BadComment", pattern: /\/\*[\s\S]*/, line_breaks: true });
var NewLine = createToken({ name: "NewLine", pattern: /\r?\n|\r/, line_breaks: true });
var Blank = createToken({ name: "Blank", pattern: /[ \t\f\v\u00a0\ufeff]+/, group: Lexer.SKIPPED });
function endsOperand(type) {
  return type === IntLiteral || type === FloatLiteral || type === RParen || type === RSquare || type === Inf || isName(type);
}
function isName(type) {
  return type === Identifier || type.CATEGORIES?.includes(Name) === true;
}
var reservedWords = [True, False, Inf, And, Or, Not];
var keywords = [
  ...[
    Use,
    Block,
    Model,
    Let,
    Table,
    User,
    Item,
    Tokens,
    Return,
    Repeat,
    If,
    Else,
    Param,
    Task,
    Loss,
    LabelWord
  ],
  ...[Precision, Serve, As, In, Of, Id, Ids, Seq, F322, F16, Bf16, I322, Int8, Fp8E4m3, Fp8E5m2, Num, BoolType],
  ...[IntType, FloatType, FnType, StringType, Compute, Derived, Per, Channel, GroupWord, Inputs],
  ...reservedWords
];
var length = (type) => String(type.PATTERN).length;
var allTokens = [
  ...[Blank, NewLine, SlashSlash, LineComment, BlockComment, BadComment],
  ...keywords.toSorted((a, b) => length(b) - length(a)),
  ...[Identifier, FloatLiteral, IntLiteral, BadNumber, StringLiteral, BadString],
  ...[PipeOperator, Arrow, LessEqual, GreaterEqual, EqualEqual, NotEqual, Less, Greater, Plus, Minus, Star],
  ...[Percent, Slash, Equals, Comma, Colon, Ellipsis, Dot, LParen, RParen, LSquare, RSquare, LCurly, RCurly],
  ...[Name, BinaryOperator, PrefixOperator]
];

// grammar/brackets.ts
var closerOf = /* @__PURE__ */ new Map([
  [LParen, RParen],
  [LSquare, RSquare],
  [LCurly, RCurly]
]);
var closers = new Set(closerOf.values());

// grammar/suggest.ts
import { distance } from "fastest-levenshtein";

// grammar/parser/base.ts
import {
  EmbeddedActionsParser,
  EOF,
  isRecognitionException
} from "chevrotain";

// grammar/parser/precedence.ts
var pipe = 0;
var comparison2 = 4;
var levels = new Map([
  ["|>", pipe],
  ["or", 1],
  ["and", 2],
  ...["==", "!=", "<", "<=", ">", ">="].map((op) => [op, comparison2]),
  ["+", 5],
  ["-", 5],
  ["*", 6],
  ["/", 6],
  ["//", 6],
  ["%", 6]
]);

// grammar/parser/clauses.ts
var computeTypes = [F322, F16, Bf16];
var storageTypes = [...computeTypes, Int8, Fp8E4m3, Fp8E5m2];

// src/spec.ts
init_error();

// src/model/emit.ts
init_indexmap();
init_def();
init_scalar();

// src/model/values.ts
var intValue = (value2) => ({ kind: "int", value: value2 });
var floatValue = (value2) => ({ kind: "float", value: value2 });
function shapeText(shape) {
  return `[${shape.join(", ")}]`;
}
function describe(value2) {
  switch (value2.kind) {
    case "int":
    case "float":
    case "bool":
      return `the ${value2.kind} ${value2.value}`;
    case "string":
      return "a string";
    case "list":
      return "a list";
    case "fn":
      return `the function \`${fnName(value2)}\``;
    case "tensor":
      return `${value2.dtype === "num" ? "a tensor" : `a tensor of ${value2.dtype}`} ${shapeText(value2.shape)}`;
    case "table":
      return `the table \`${value2.path}\``;
    case "seq":
      return `the sequence \`${value2.name}\``;
    case "results":
      return `${value2.values.length} results`;
    case "range":
      return "a range";
    default:
      return value2;
  }
}
function fnName(fn) {
  return fn.target.kind === "block" ? fn.target.block.decl.name.name : fn.target.builtin.name;
}
function numel3(shape) {
  return shape.reduce((product4, extent2) => product4 * extent2, 1);
}

// src/model/emit.ts
function broadcastOperand(x, shape) {
  if (x.shape.length === shape.length && x.shape.every((extent2, i) => extent2 === shape[i]))
    return { id: x.id };
  const skip = shape.length - x.shape.length;
  return {
    id: x.id,
    map: broadcastMap(
      x.shape,
      shape,
      x.shape.map((_, i) => skip + i)
    )
  };
}

// src/model/limits.ts
var defaultLimits = {
  statements: 2e4,
  nodes: 2e4,
  depth: 200,
  nesting: 1e3,
  valueElements: 2 ** 33,
  parameterElements: 2 ** 40,
  totalParameters: 2 ** 42,
  listLength: 1e4
};

// src/model/builtins/contraction.ts
init_indexmap();

// src/model/axes.ts
init_indexmap();
var AxisSizes = class {
  known = /* @__PURE__ */ new Map();
  reporter;
  /** `given` are the named arguments of the call: `h = 8`. */
  constructor(given, sides2, reporter) {
    this.reporter = reporter;
    const used = new Set(sides2.flatMap(namesOf));
    for (const [name2, { value: value2, span }] of given) {
      if (!used.has(name2)) {
        reporter.fail("RMX0103", span, `the pattern has no axis \`${name2}\``, {
          notes: [`its axes are ${[...used].join(", ")}`]
        });
      }
      if (value2.kind !== "int" || value2.value < 1) {
        reporter.fail(
          "RMX0212",
          span,
          `the size of \`${name2}\` is an int of at least 1, found ${describe(value2)}`
        );
      } else {
        this.known.set(name2, { size: value2.value, span });
      }
    }
  }
  get(name2) {
    return this.known.get(name2)?.size;
  }
  /** Takes a tensor of `shape` apart as `side` says. `span` is where the tensor was written. */
  atomsOf(side2, shape, span) {
    const { items } = side2;
    const open2 = items.findIndex((item) => item.kind === "ellipsis");
    const free = shape.length - items.length + (open2 >= 0 ? 1 : 0);
    if (free < 0 || open2 < 0 && free !== 0) {
      const axes = items.length - (open2 >= 0 ? 1 : 0);
      this.reporter.fail(
        "RMX0207",
        side2.span,
        `the pattern names ${open2 >= 0 ? "at least " : ""}${axes} ${axes === 1 ? "axis" : "axes"}, the tensor has ${shape.length}`,
        {
          secondary: [{ span, message: shapeText(shape) }]
        }
      );
    }
    const atoms = [];
    let axis2 = 0;
    for (const item of items) {
      const extent2 = shape[axis2] ?? 1;
      if (item.kind === "ellipsis") {
        for (let i = 0; i < free; i++) atoms.push({ name: `...${free - i}`, size: shape[axis2++] ?? 1 });
        continue;
      }
      axis2++;
      if (item.kind === "axis") {
        this.settle(item.name, extent2, item.span, span, shape);
        atoms.push({ name: item.name, size: extent2 });
      } else if (item.kind === "group") {
        atoms.push(...this.splitGroup(item, extent2, span, shape));
      } else if (extent2 !== 1) {
        this.reporter.fail(
          "RMX0207",
          item.span,
          `an axis of ${extent2} elements stands where the pattern says 1`,
          {
            secondary: [{ span, message: shapeText(shape) }]
          }
        );
      }
    }
    return atoms;
  }
  settle(name2, size, span, operand, shape) {
    const known = this.known.get(name2);
    if (!known) {
      this.known.set(name2, { size, span: operand });
      return;
    }
    if (known.size === size) return;
    this.reporter.fail("RMX0207", span, `\`${name2}\` is ${known.size} and ${size}`, {
      secondary: [
        { span: known.span, message: `${known.size} here` },
        { span: operand, message: `${size} here: ${shapeText(shape)}` }
      ]
    });
  }
  /** One axis of `extent` elements as the axes of a group, one of which may be unknown. */
  splitGroup(group, extent2, operand, shape) {
    const axes = group.items.flatMap((item) => item.kind === "axis" ? [item] : []);
    const unknown = axes.filter((item) => !this.known.has(item.name));
    const [missing, ...others] = unknown;
    if (missing && others.length > 0) {
      this.reporter.fail(
        "RMX0214",
        group.span,
        `the sizes of ${unknown.map((item) => `\`${item.name}\``).join(" and ")} are open`,
        {
          help: `give all but one as arguments: \`${others[0]?.name ?? missing.name} = \u2026\``
        }
      );
    }
    const named = axes.filter((item) => item !== missing);
    const product4 = named.reduce((size, item) => size * (this.get(item.name) ?? 1), 1);
    if (missing ? extent2 % product4 !== 0 : product4 !== extent2) {
      const text = named.map((item) => `${item.name} = ${this.get(item.name)}`).join(", ");
      const secondary = [{ span: operand, message: shapeText(shape) }];
      for (const item of named) {
        const known = this.known.get(item.name);
        if (known && known.span !== operand)
          secondary.push({ span: known.span, message: `\`${item.name}\` is ${known.size} here` });
      }
      this.reporter.fail(
        "RMX0204",
        group.span,
        missing ? `\`${text}\` does not divide an axis of ${extent2} elements` : `\`${text}\` does not make up an axis of ${extent2} elements`,
        { secondary }
      );
    }
    if (missing) this.known.set(missing.name, { size: extent2 / product4, span: operand });
    return axes.map((item) => ({ name: item.name, size: this.get(item.name) ?? 1 }));
  }
};
function namesOf(side2) {
  return side2.items.flatMap((item) => {
    if (item.kind === "axis") return [item.name];
    return item.kind === "group" ? item.items.flatMap((inner) => inner.kind === "axis" ? [inner.name] : []) : [];
  });
}
function layoutOutput(side2, available, sizes, fresh, reporter) {
  const atoms = [];
  const shape = [];
  const take3 = (name2, span) => {
    const known = available.find((atom) => atom.name === name2);
    const size = known?.size ?? (fresh ? sizes.get(name2) : void 0);
    if (size === void 0) {
      reporter.fail("RMX0207", span, `\`${name2}\` comes from nowhere`, {
        help: fresh ? `give its size: \`${name2} = \u2026\`` : "every axis on the right stands on the left too"
      });
    }
    atoms.push({ name: name2, size: size ?? 1 });
    return size ?? 1;
  };
  for (const item of side2.items) {
    if (item.kind === "axis") shape.push(take3(item.name, item.span));
    else if (item.kind === "one") shape.push(1);
    else if (item.kind === "group") {
      shape.push(
        item.items.reduce(
          (size, inner) => inner.kind === "axis" ? size * take3(inner.name, inner.span) : size,
          1
        )
      );
    } else {
      for (const atom of available.filter(({ name: name2 }) => name2.startsWith("..."))) {
        atoms.push(atom);
        shape.push(atom.size);
      }
    }
  }
  return { atoms, shape };
}
function relayout(inShape, atoms, output) {
  const sizes = atoms.map((atom) => atom.size);
  const outSizes = output.atoms.map((atom) => atom.size);
  const places = atoms.map((atom) => output.atoms.findIndex(({ name: name2 }) => name2 === atom.name));
  const apart = reshapeMap(inShape, sizes);
  const moved = broadcastMap(sizes, outSizes, places);
  return composeMaps(composeMaps(reshapeMap(outSizes, output.shape), moved), apart);
}
function sameSizes(a, b) {
  return a.length === b.length && numel3(a) === numel3(b) && a.every((extent2, i) => extent2 === b[i]);
}

// src/model/patterns.ts
function parsePattern(literal, reporter) {
  const tokens = tokenize(literal, reporter);
  const arrow = tokens.findIndex((token) => token.text === "->");
  if (arrow < 0) {
    reporter.fail("RMX0206", literal.span, "a pattern has an arrow between what goes in and what comes out", {
      help: 'as in "t d -> d"'
    });
  }
  const second = tokens.slice(arrow + 1).find((token) => token.text === "->" || token.text === ",");
  if (second) reporter.fail("RMX0206", second.span, `\`${second.text}\` has no place after the arrow`);
  const inputs = [];
  let part = [];
  for (const token of tokens.slice(0, arrow)) {
    if (token.text !== ",") {
      part.push(token);
      continue;
    }
    inputs.push(parseSide(part, literal.span, reporter));
    part = [];
  }
  inputs.push(parseSide(part, literal.span, reporter));
  return { inputs, output: parseSide(tokens.slice(arrow + 1), literal.span, reporter), span: literal.span };
}
function tokenize(literal, reporter) {
  const text = literal.value;
  const raw = literal.span.end - literal.span.start === text.length + 2;
  const span = (from, to) => raw ? { file: literal.span.file, start: literal.span.start + 1 + from, end: literal.span.start + 1 + to } : literal.span;
  const tokens = [];
  const lexer = /\s+|[A-Za-z_]\w*|->|\.\.\.|[(),]|\d+|./guy;
  for (const match of text.matchAll(lexer)) {
    const [token] = match;
    if (/^\s/.test(token)) continue;
    const at2 = span(match.index, match.index + token.length);
    if (!/^([A-Za-z_]\w*|->|\.\.\.|[(),]|1)$/.test(token)) {
      reporter.fail("RMX0206", at2, `\`${token}\` means nothing in a pattern`, {
        .../^\d+$/.test(token) && { help: "name the axis and give its size as an argument: `h = 8`" }
      });
    }
    tokens.push({ text: token, span: at2 });
  }
  return tokens;
}
function parseSide(tokens, whole, reporter) {
  const items = [];
  const seen = /* @__PURE__ */ new Map();
  let open2;
  for (const { text, span } of tokens) {
    if (text === "(") {
      if (open2) reporter.fail("RMX0206", span, "a group inside a group means nothing more than one group");
      open2 = { items: [], span };
    } else if (text === ")") {
      if (!open2) reporter.fail("RMX0206", span, "a `)` without its `(`");
      else items.push({ kind: "group", items: open2.items, span: { ...span, start: open2.span.start } });
      open2 = void 0;
    } else if (text === "1") {
      (open2?.items ?? items).push({ kind: "one", span });
    } else {
      const first3 = seen.get(text);
      if (first3) {
        reporter.fail("RMX0206", span, `\`${text}\` stands twice on one side`, {
          secondary: [{ span: first3, message: "first here" }]
        });
      }
      seen.set(text, span);
      if (text !== "...") (open2?.items ?? items).push({ kind: "axis", name: text, span });
      else if (open2) reporter.fail("RMX0206", span, "`...` stands outside groups");
      else items.push({ kind: "ellipsis", span });
    }
  }
  if (open2) reporter.fail("RMX0206", open2.span, "this group is not closed");
  const first2 = tokens[0];
  const last2 = tokens.at(-1);
  return { items, span: first2 && last2 ? { ...first2.span, end: last2.span.end } : whole };
}

// src/model/builtins/builtin.ts
var tensor = (name2) => ({ name: name2, type: "tensor", optional: false });
var value = (name2) => ({ name: name2, type: "value", optional: false });
var string = (name2) => ({ name: name2, type: "string", optional: false });
var int2 = (name2) => ({ name: name2, type: "int", optional: false });
var optional = (param3) => ({ ...param3, optional: true });
var option = (name2, type) => ({
  name: name2,
  type,
  optional: true
});
var rest = (name2) => ({ name: name2, type: "value", optional: true, rest: true });

// src/model/builtins/contraction.ts
var contraction = [
  {
    name: "einsum",
    signature: 'einsum("t d, t d k -> t k", a, b, \u2026)',
    doc: "the sum over every axis that the right side lacks of the product of the operands; the compiler chooses the order",
    params: [string("pattern"), rest("operands")],
    sizes: true,
    run: einsum2
  }
];
function einsum2(call3) {
  const { reporter } = call3.env;
  const pattern = parsePattern(call3.string("pattern"), reporter);
  if (pattern.inputs.length !== call3.rest.length) {
    call3.fail(
      "RMX0207",
      pattern.span,
      `the pattern has ${pattern.inputs.length} operands, ${call3.rest.length} were given`
    );
  }
  const operands = call3.rest.map(({ value: value2, span }) => ({ x: call3.emit.num(value2, span), span }));
  const sizes = new AxisSizes(call3.sizes, [...pattern.inputs, pattern.output], reporter);
  const apart = operands.map(({ x, span }, i) => {
    const side2 = pattern.inputs[i];
    if (!side2) throw new Error("internal: operands were counted");
    return sizes.atomsOf(side2, x.shape, span);
  });
  const open2 = broadcastOpenAxes(apart, call3);
  const available = /* @__PURE__ */ new Map();
  for (const atom of apart.flat()) if (!atom.name.startsWith("...")) available.set(atom.name, atom);
  const output = layoutOutput(pattern.output, [...open2, ...available.values()], sizes, false, reporter);
  const labels = /* @__PURE__ */ new Map();
  const labelOf = ({ name: name2 }) => {
    const label = labels.get(name2) ?? labels.size;
    labels.set(name2, label);
    return label;
  };
  const seen = operands.map(
    ({ x }, i) => viewed(
      x,
      (apart[i] ?? []).filter((atom) => !stretched(atom, open2))
    )
  );
  const op = {
    kind: "einsum",
    operands: seen.map(({ atoms }) => atoms.map(labelOf)),
    out: output.atoms.map(labelOf)
  };
  const result = call3.emit.op(
    op,
    seen.map(({ operand }) => operand)
  );
  if (sameSizes(result.shape, output.shape)) return result;
  return call3.emit.view(result, reshapeMap(result.shape, output.shape));
}
function broadcastOpenAxes(operands, call3) {
  const open2 = /* @__PURE__ */ new Map();
  for (const [i, atoms] of operands.entries()) {
    for (const { name: name2, size } of atoms) {
      if (!name2.startsWith("...")) continue;
      const known = open2.get(name2) ?? 1;
      if (known !== 1 && size !== 1 && known !== size) {
        call3.fail(
          "RMX0205",
          call3.rest[i]?.span ?? call3.site.span,
          `the axes under \`...\` do not broadcast: ${known} meets ${size}`
        );
      }
      open2.set(name2, Math.max(known, size));
    }
  }
  const place3 = (name2) => Number(name2.slice(3));
  return [...open2].map(([name2, size]) => ({ name: name2, size })).sort((a, b) => place3(b.name) - place3(a.name));
}
function stretched(atom, open2) {
  return atom.name.startsWith("...") && atom.size === 1 && open2.some(({ name: name2, size }) => name2 === atom.name && size !== 1);
}
function viewed(x, atoms) {
  const sizes = atoms.map((atom) => atom.size);
  if (sameSizes(sizes, x.shape)) return { operand: { id: x.id }, atoms };
  return { operand: { id: x.id, map: reshapeMap(x.shape, sizes) }, atoms };
}

// src/model/builtins/layout.ts
init_indexmap();
var layout = [
  {
    name: "rearrange",
    signature: 'rearrange(x, "t (h e) -> h (t e)", h = 8)',
    doc: "splits, merges and permutes axes; all elements stay",
    params: [tensor("x"), string("pattern")],
    sizes: true,
    run: (call3) => relayoutCall(call3, false)
  },
  {
    name: "broadcast",
    signature: 'broadcast(x, "d -> t d", t = 8)',
    doc: "as `rearrange`, and axes that stand on the right alone repeat x",
    params: [tensor("x"), string("pattern")],
    sizes: true,
    run: (call3) => relayoutCall(call3, true)
  },
  {
    name: "concat",
    signature: "concat(a, b, \u2026, axis = 0)",
    doc: "joins tensors along an axis; all other extents are equal",
    params: [rest("parts"), option("axis", "int")],
    run: concat2
  },
  {
    name: "pad",
    signature: "pad(x, axis, before, after, fill = 0)",
    doc: "puts `before` and `after` elements of value `fill` around an axis",
    params: [
      tensor("x"),
      optional(int2("axis")),
      optional(int2("before")),
      optional(int2("after")),
      option("fill", "float")
    ],
    run: pad2
  },
  {
    name: "unfold",
    signature: "unfold(x, axis, size, step = 1)",
    doc: "windows along an axis, which becomes two: [windows, size]; a convolution is an einsum over them",
    params: [tensor("x"), int2("axis"), int2("size"), optional(int2("step"))],
    run: unfold
  }
];
function relayoutCall(call3, fresh) {
  const { reporter } = call3.env;
  const x = call3.tensor("x");
  const pattern = parsePattern(call3.string("pattern"), reporter);
  const [input, second] = pattern.inputs;
  if (!input || second) return call3.fail("RMX0206", pattern.span, `\`${call3.name}\` has one operand`);
  const sizes = new AxisSizes(call3.sizes, [input, pattern.output], reporter);
  const atoms = sizes.atomsOf(input, x.shape, call3.spanOf("x"));
  const output = layoutOutput(pattern.output, atoms, sizes, fresh, reporter);
  const lost = atoms.find((atom) => !output.atoms.some(({ name: name2 }) => name2 === atom.name));
  if (lost) {
    const item = input.items.find((candidate) => candidate.kind === "axis" && candidate.name === lost.name);
    call3.fail(
      "RMX0207",
      item?.span ?? input.span,
      `\`${lost.name.startsWith("...") ? "..." : lost.name}\` is missing on the right`,
      {
        help: `\`${call3.name}\` keeps every element; \`sum\`, \`mean\`, \`max\` and \`min\` take patterns that drop axes`,
        notes: [`the right side has ${namesOf(pattern.output).join(", ") || "no axis"}`]
      }
    );
  }
  return call3.emit.view(x, relayout(x.shape, atoms, output));
}
function concat2(call3) {
  const parts = call3.rest.map(({ value: value2, span }) => ({ x: call3.emit.tensor(value2, span), span }));
  const [first2, ...others] = parts;
  if (!first2) return call3.fail("RMX0105", call3.site.span, "`concat` joins one tensor or more");
  const axis2 = call3.axis("axis", first2.x.shape.length, 0);
  const mixed = parts.some(({ x }) => x.dtype !== first2.x.dtype);
  const typed2 = parts.map(({ x, span }) => ({ x: mixed ? call3.emit.num(x, span) : x, span }));
  for (const { x, span } of others) {
    const fits2 = x.shape.length === first2.x.shape.length && x.shape.every((extent2, i) => i === axis2 || extent2 === first2.x.shape[i]);
    if (fits2) continue;
    call3.fail(
      "RMX0213",
      span,
      `${shapeText(x.shape)} does not join ${shapeText(first2.x.shape)} along axis ${axis2}`,
      {
        label: shapeText(x.shape),
        secondary: [{ span: first2.span, message: shapeText(first2.x.shape) }]
      }
    );
  }
  const [only] = typed2;
  if (only && typed2.length === 1) return only.x;
  return call3.emit.op(
    { kind: "concat", axis: axis2 },
    typed2.map(({ x }) => ({ id: x.id }))
  );
}
function pad2(call3) {
  const x = call3.tensor("x");
  const axis2 = call3.axis("axis", x.shape.length, 0);
  const before = call3.int("before", 0);
  const after = call3.int("after", 0);
  for (const name2 of ["before", "after"]) {
    if (call3.int(name2, 0) < 0)
      call3.fail("RMX0212", name2, `\`${name2}\` is not negative; a slice takes elements away`);
  }
  if (before + after === 0) return x;
  return call3.emit.op({ kind: "pad", axis: axis2, before, after, fill: call3.float("fill", 0) }, [{ id: x.id }]);
}
function unfold(call3) {
  const x = call3.tensor("x");
  const axis2 = call3.axis("axis", x.shape.length);
  const size = call3.extent("size");
  const step = call3.has("step") ? call3.extent("step") : 1;
  const extent2 = x.shape[axis2] ?? 0;
  if (size > extent2)
    call3.fail("RMX0209", "size", `a window of ${size} does not fit an axis of ${extent2} elements`);
  return call3.emit.view(x, unfoldMap(x.shape, axis2, size, step));
}

// src/model/builtins/masks.ts
init_indexmap();
init_stage();
var masks = [
  {
    name: "mask",
    signature: "mask(x, keep, fill)",
    doc: "x where the mask holds, else `fill`",
    params: [tensor("x"), tensor("keep"), value("fill")],
    run(call3) {
      const [x, keep2, fill] = [call3.bound("x"), call3.bound("keep"), call3.bound("fill")];
      return call3.emit.pointwise("where", [keep2.value, x.value, fill.value], [keep2.span, x.span, fill.span]);
    }
  },
  {
    name: "causal",
    signature: "causal(qpos, kpos)",
    doc: "bool [Q, S]: the key stands no later than the query, kpos \u2264 qpos",
    params: [tensor("qpos"), tensor("kpos")],
    run: (call3) => notLater(call3)
  },
  {
    name: "window",
    signature: "window(qpos, kpos, size)",
    doc: "bool [Q, S]: the key is one of the `size` last ones at the query, qpos - size < kpos \u2264 qpos",
    params: [tensor("qpos"), tensor("kpos"), int2("size")],
    run(call3) {
      const size = call3.extent("size");
      const { q, k } = positions(call3);
      const oldest = call3.emit.pointwise("sub", [q, { kind: "int", value: size }]);
      return call3.emit.pointwise("and", [call3.emit.pointwise("lt", [oldest, k]), notLater(call3)]);
    }
  },
  {
    name: "ug_mask",
    signature: "ug_mask(y, rows = 0:8, fill = 0)",
    doc: "in those rows of the first axis, `fill` instead of every element that derives from an item feature, so that the rows stay `user`",
    params: [tensor("y"), option("rows", "range"), option("fill", "float")],
    run: ugMask
  }
];
function positions(call3) {
  const q = call3.rank("qpos", call3.num("qpos"), 1);
  const k = call3.rank("kpos", call3.num("kpos"), 1);
  return { q: call3.emit.view(q, reshapeMap(q.shape, [q.shape[0] ?? 1, 1])), k };
}
function notLater(call3) {
  const { q, k } = positions(call3);
  return call3.emit.pointwise("le", [k, q]);
}
var MAX_MASK_ELEMENTS = 2 ** 24;
function ugMask(call3) {
  const y = call3.num("y");
  const [extent2] = y.shape;
  if (extent2 === void 0)
    return call3.fail("RMX0202", "y", "`ug_mask` works on the rows of the first axis, a tensor [] has none");
  const { from, to } = rowRange(call3, extent2);
  const { builder } = call3.env.ctx;
  const stage = builder.stageOf({ id: y.id });
  if (!stage.exact || numel3(y.shape) > MAX_MASK_ELEMENTS) {
    call3.fail(
      "RMX0121",
      "y",
      `which elements of this value derive from an item is ${stage.exact ? "too large a table" : "not known exactly"}`,
      {
        notes: stage.exact ? [`limit: ${MAX_MASK_ELEMENTS} elements of a masked value`] : ["the stages of a value are followed in at most 256 pieces"],
        help: "mask before the values are mixed further, or mask fewer rows"
      }
    );
  }
  const item = stageMask(stage, 3);
  const row = numel3(y.shape) / extent2;
  const keep2 = new Uint8Array(item.length).fill(1);
  let masked = false;
  for (let i = from * row; i < to * row; i++) {
    if (item[i] !== 1) continue;
    keep2[i] = 0;
    masked = true;
  }
  const result = masked ? filled(call3, y, keep2) : y;
  const rows = viewStage(builder.stageOf({ id: result.id }), sliceMap(y.shape, 0, from, to - from));
  if (maxLevel(rows) === 3) {
    call3.env.reporter.warning("RMX0118", call3.site.span, "the masked rows still derive from an item", {
      notes: ["by the stage rules, a `fill` that depends on an item makes the rows depend on it too"]
    });
  }
  return result;
}
function filled(call3, y, keep2) {
  const bound = call3.has("fill") ? call3.bound("fill") : void 0;
  const fill = bound ? call3.emit.num(bound.value, bound.span) : call3.emit.constant(0, "num");
  const set = call3.emit.op({ kind: "data", values: keep2 }, [], { shape: y.shape, dtype: "bool" });
  const operand = broadcastOperand(fill, y.shape);
  return call3.emit.op({ kind: "pointwise", fn: "where" }, [{ id: set.id }, { id: y.id }, operand]);
}
function rowRange(call3, extent2) {
  if (!call3.has("rows")) return { from: 0, to: extent2 };
  const { value: rows } = call3.bound("rows");
  if (rows.kind !== "range") return call3.wrong("rows", "a range as `0:8`");
  const place3 = (at2) => at2 < 0 ? at2 + extent2 : at2;
  const from = place3(rows.from ?? 0);
  const to = place3(rows.to ?? extent2);
  if (from < 0 || to > extent2 || from >= to) {
    call3.fail("RMX0209", "rows", `the rows ${from}:${to} are not within ${extent2} rows`);
  }
  return { from, to };
}

// src/model/builtins/normalisation.ts
init_indexmap();
var normalisation = [
  {
    name: "softmax",
    signature: "softmax(x, axis = -1)",
    doc: "exp(x) over its sum along an axis; a row of which nothing is visible (all -inf) is 0",
    params: [tensor("x"), option("axis", "int")],
    run(call3) {
      const x = call3.num("x");
      return call3.emit.op({ kind: "softmax", axis: call3.axis("axis", x.shape.length, -1) }, [{ id: x.id }]);
    }
  },
  {
    name: "layer_norm",
    signature: 'layer_norm(x, eps = 1e-5, affine = true, per = "t")',
    doc: "(x - mean) / \u221A(var + eps) over the last axis, times `gain` plus `bias`; `per` names the leading axes that have gains of their own",
    params: [tensor("x"), option("eps", "float"), option("affine", "bool"), option("per", "string")],
    run: (call3) => normalize2(call3, "layer", 1e-5, ["gain", "bias"])
  },
  {
    name: "rms_norm",
    signature: 'rms_norm(x, eps = 1e-6, affine = true, per = "t")',
    doc: "x / \u221A(mean x\xB2 + eps) over the last axis, times `gain`",
    params: [tensor("x"), option("eps", "float"), option("affine", "bool"), option("per", "string")],
    run: (call3) => normalize2(call3, "rms", 1e-6, ["gain"])
  },
  {
    name: "l2_norm",
    signature: "l2_norm(x, eps = 1e-12)",
    doc: "x / \u221A(\u03A3 x\xB2 + eps) over the last axis",
    params: [tensor("x"), option("eps", "float")],
    run: (call3) => normalize2(call3, "l2", 1e-12, [])
  }
];
function normalize2(call3, norm, defaultEps, gains) {
  const x = call3.num("x");
  const rank = x.shape.length;
  if (rank === 0)
    call3.fail("RMX0202", "x", `\`${call3.name}\` works along the last axis, a tensor [] has none`);
  const eps = call3.float("eps", defaultEps);
  if (!(eps >= 0 && Number.isFinite(eps)))
    call3.fail("RMX0107", "eps", "`eps` is a finite number that is not negative");
  const normed = call3.emit.op({ kind: "normalize", norm, eps }, [{ id: x.id }]);
  if (gains.length === 0 || !call3.bool("affine", true)) {
    if (call3.has("per")) call3.fail("RMX0106", "per", "there are no gains that `per` could name axes of");
    return normed;
  }
  const own2 = ownAxes(call3, rank);
  const axes = [...own2, rank - 1];
  const shape = axes.map((axis2) => x.shape[axis2] ?? 1);
  const label = call3.site.label ?? { name: call3.name, span: call3.site.span };
  const inner = call3.env.with({ labels: call3.env.labels.child(label.name, label.span), variable: "" });
  return gains.reduce((so, name2) => {
    const init = { kind: name2 === "gain" ? "ones" : "zeros" };
    const param3 = call3.env.ctx.params.declare(inner, name2, shape, init, call3.site.span);
    const spread2 = axes.length === rank ? { id: param3.id } : { id: param3.id, map: broadcastMap(shape, x.shape, axes) };
    return call3.emit.op({ kind: "pointwise", fn: name2 === "gain" ? "mul" : "add" }, [{ id: so.id }, spread2]);
  }, normed);
}
function ownAxes(call3, rank) {
  if (!call3.has("per")) return [];
  const { value: value2, span } = call3.string("per");
  const names = value2.split(/\s+/).filter((name2) => name2 !== "");
  if (names.some((name2) => !/^[A-Za-z_]\w*$/.test(name2)) || new Set(names).size < names.length) {
    call3.fail("RMX0206", span, "`per` lists names of leading axes", { help: 'as in `per = "t"`' });
  }
  if (names.length >= rank) {
    call3.fail(
      "RMX0207",
      span,
      `\`per\` names ${names.length} leading axes, the tensor has ${rank - 1} before the last`
    );
  }
  return names.map((_, i) => i);
}

// src/model/builtins/pointwise.ts
init_scalar();

// src/model/compiletime.ts
function isNumber2(value2) {
  return value2.kind === "int" || value2.kind === "float";
}
function exactInt(value2, ctx, span) {
  if (Number.isSafeInteger(value2)) return intValue(value2);
  return ctx.reporter.fail("RMX0120", span, "this whole number is too large to be exact", {
    notes: ["compile-time ints lie between -2^53 and 2^53"]
  });
}

// src/model/builtins/reduction.ts
init_indexmap();
var reduction = ["sum", "mean"].map((fn) => ({
  name: fn,
  signature: `${fn}(x, "t d -> d") \xB7 ${fn}(x, axis = -1, keep = false)`,
  doc: `the ${fn} over the axes that the right side lacks, over one axis, or without either over all`,
  params: [tensor("x"), option("pattern", "string"), option("axis", "int"), option("keep", "bool")],
  sizes: true,
  run: (call3) => reduce3(fn, call3, call3.has("pattern") ? call3.string("pattern") : void 0)
}));
function reduceOrChoose(fn, call3) {
  const [second, ...more] = call3.rest;
  const pattern = second?.value.kind === "string" && more.length === 0 ? second.value : void 0;
  const first2 = call3.bound("x");
  if (first2.value.kind === "list" && !second)
    return extremeOf(
      fn,
      first2.value.items.map((value2) => ({ value: value2, span: first2.span })),
      call3
    );
  if (pattern || !second) return reduce3(fn, call3, pattern);
  return extremeOf(fn, [first2, ...call3.rest], call3);
}
function extremeOf(fn, args, call3) {
  const [first2, ...others] = args;
  noSizes(call3);
  if (!first2) return call3.fail("RMX0105", call3.site.span, `\`${call3.name}\` of nothing`);
  const numbers = args.map(({ value: value2 }) => value2).filter(isNumber2);
  if (numbers.length === args.length) {
    const result = Math[fn](...numbers.map((n) => n.value));
    return numbers.every((n) => n.kind === "int") ? exactInt(result, call3.env.ctx, call3.site.span) : floatValue(result);
  }
  return others.reduce(
    (so, next) => ({
      value: call3.emit.pointwise(fn, [so.value, next.value], [so.span, next.span]),
      span: call3.site.span
    }),
    first2
  ).value;
}
function reduce3(fn, call3, pattern) {
  const given = call3.tensor("x");
  const x = given.dtype === "i32" && fn !== "mean" ? given : call3.num("x");
  if (pattern) {
    if (call3.has("axis")) call3.fail("RMX0106", "axis", "a pattern says already what is reduced");
    return reducePattern(fn, x, pattern, call3);
  }
  noSizes(call3);
  const axes = call3.has("axis") ? [call3.axis("axis", x.shape.length)] : x.shape.map((_, i) => i);
  if (axes.length === 0) return x;
  return call3.emit.op({ kind: "reduce", fn, axes, keep: call3.bool("keep", false) }, [{ id: x.id }]);
}
function noSizes(call3) {
  for (const [name2, { span }] of call3.sizes)
    call3.fail("RMX0103", span, `\`${call3.name}\` has no parameter \`${name2}\` here`);
}
function reducePattern(fn, x, literal, call3) {
  const { reporter } = call3.env;
  const pattern = parsePattern(literal, reporter);
  const [input, second] = pattern.inputs;
  if (!input || second) return call3.fail("RMX0206", pattern.span, `\`${call3.name}\` has one operand`);
  const sizes = new AxisSizes(call3.sizes, [input, pattern.output], reporter);
  const atoms = sizes.atomsOf(input, x.shape, call3.spanOf("x"));
  const output = layoutOutput(pattern.output, atoms, sizes, false, reporter);
  const kept = atoms.filter((atom) => output.atoms.some(({ name: name2 }) => name2 === atom.name));
  const axes = atoms.flatMap((atom, i) => kept.includes(atom) ? [] : [i]);
  const apart = atoms.map((atom) => atom.size);
  const same2 = apart.length === x.shape.length;
  const operand = same2 ? { id: x.id } : { id: x.id, map: reshapeMap(x.shape, apart) };
  if (axes.length === 0) return call3.emit.view(x, relayout(x.shape, atoms, output));
  const summed = call3.emit.op({ kind: "reduce", fn, axes, keep: false }, [operand]);
  const inOrder = kept.every((atom, i) => output.atoms[i]?.name === atom.name) && output.shape.length === kept.length;
  return inOrder ? summed : call3.emit.view(summed, relayout(summed.shape, kept, output));
}

// src/model/builtins/pointwise.ts
var UNARY2 = {
  exp: "e to the power of x",
  log: "the natural logarithm",
  sqrt: "the square root",
  rsqrt: "1 / sqrt(x)",
  tanh: "the hyperbolic tangent",
  sigmoid: "1 / (1 + exp(-x))",
  relu: "max(x, 0)",
  gelu: "x \xB7 \u03A6(x), with the error function",
  gelu_tanh: "the tanh form of gelu: x / 2 \xB7 (1 + tanh(\u221A(2/\u03C0) (x + 0.044715 x\xB3)))",
  silu: "x \xB7 sigmoid(x)",
  abs: "the absolute value",
  floor: "the largest whole number that is not above x",
  sign: "-1, 0 or 1"
};
var KEEPS_INT = /* @__PURE__ */ new Set(["relu", "abs", "sign", "floor"]);
var unary = Object.keys(UNARY2).map((fn) => ({
  name: fn,
  signature: `${fn}(x)`,
  doc: UNARY2[fn],
  params: [tensor("x")],
  run(call3) {
    const x = call3.bound("x");
    if (!isNumber2(x.value)) return call3.emit.pointwise(fn, [x.value], [x.span]);
    const result = scalarFns[fn].evaluate(x.value.value);
    const whole = KEEPS_INT.has(fn) && (x.value.kind === "int" || fn === "floor");
    return whole ? exactInt(result, call3.env.ctx, call3.site.span) : floatValue(result);
  }
}));
function several(fn, call3, names) {
  const args = names.map((name2) => call3.bound(name2));
  const numbers = args.map(({ value: v }) => v).filter(isNumber2);
  if (numbers.length < args.length) {
    return call3.emit.pointwise(
      fn,
      args.map((arg) => arg.value),
      args.map((arg) => arg.span)
    );
  }
  const result = scalarFns[fn].evaluate(...numbers.map((n) => n.value));
  const whole = numbers.every((n) => n.kind === "int") && Number.isInteger(result);
  return whole ? exactInt(result, call3.env.ctx, call3.site.span) : floatValue(result);
}
var extremes = ["max", "min"].map((fn) => ({
  name: fn,
  signature: `${fn}(a, b, \u2026) \xB7 ${fn}(x, "t d -> d") \xB7 ${fn}(x, axis = -1, keep = false)`,
  doc: `the ${fn === "max" ? "larger" : "smaller"} of two or more values, or a reduction when a pattern or an axis is given`,
  params: [
    value("x"),
    rest("others"),
    { name: "axis", type: "int", optional: true },
    { name: "keep", type: "bool", optional: true }
  ],
  sizes: true,
  run: (call3) => reduceOrChoose(fn, call3)
}));
var pointwise2 = [
  ...unary,
  ...extremes,
  {
    name: "pow",
    signature: "pow(x, y)",
    doc: "x to the power of y",
    params: [tensor("x"), value("y")],
    run: (call3) => several("pow", call3, ["x", "y"])
  },
  {
    name: "clamp",
    signature: "clamp(x, low, high)",
    doc: "x held between low and high",
    params: [tensor("x"), value("low"), value("high")],
    run: (call3) => several("clamp", call3, ["x", "low", "high"])
  },
  {
    name: "where",
    signature: "where(mask, a, b)",
    doc: "a where the mask holds, else b; a mask known at compile time chooses then",
    params: [value("mask"), value("a"), value("b")],
    run(call3) {
      const mask2 = call3.bound("mask");
      if (mask2.value.kind === "bool") return call3.bound(mask2.value.value ? "a" : "b").value;
      const args = [mask2, call3.bound("a"), call3.bound("b")];
      return call3.emit.pointwise(
        "where",
        args.map((arg) => arg.value),
        args.map((arg) => arg.span)
      );
    }
  },
  {
    name: "float",
    signature: "float(x)",
    doc: "as `num`; true is 1",
    params: [tensor("x")],
    run(call3) {
      const { value: v, span } = call3.bound("x");
      if (isNumber2(v)) return floatValue(v.value);
      if (v.kind === "bool") return floatValue(v.value ? 1 : 0);
      const x = call3.emit.tensor(v, span);
      return x.dtype === "num" ? x : call3.emit.pointwise("to_num", [x], [span]);
    }
  },
  {
    name: "int",
    signature: "int(x)",
    doc: "as `i32`, cut off towards zero; true is 1",
    params: [tensor("x")],
    run(call3) {
      const { value: v, span } = call3.bound("x");
      if (isNumber2(v)) return exactInt(Math.trunc(v.value), call3.env.ctx, call3.site.span);
      if (v.kind === "bool") return intValue(v.value ? 1 : 0);
      const x = call3.emit.tensor(v, span);
      return x.dtype === "i32" ? x : call3.emit.pointwise("to_i32", [x], [span]);
    }
  },
  {
    name: "ceil_div",
    signature: "ceil_div(a, b)",
    doc: "a / b rounded up, at compile time",
    params: [int2("a"), int2("b")],
    run(call3) {
      const b = call3.int("b");
      if (b === 0) call3.fail("RMX0120", "b", "a quotient by 0 has no value");
      return exactInt(Math.ceil(call3.int("a") / b), call3.env.ctx, call3.site.span);
    }
  },
  {
    name: "len",
    signature: "len(list)",
    doc: "how many entries a compile-time list has; of a tensor the extent of its first axis",
    params: [value("list")],
    run(call3) {
      const { value: v } = call3.bound("list");
      if (v.kind === "list") return intValue(v.items.length);
      const rows = v.kind === "tensor" ? v.shape[0] : void 0;
      return rows === void 0 ? call3.wrong("list", "a list or a tensor with axes") : intValue(rows);
    }
  }
];

// src/model/builtins/selection.ts
init_indexmap();
var TOP_K = [tensor("x"), int2("k"), option("axis", "int")];
var selection3 = [
  {
    name: "top_k_mask",
    signature: "top_k_mask(x, k, axis = -1)",
    doc: "bool, true at the k largest along an axis; of equal values the lower index",
    params: TOP_K,
    run: (call3) => topKMask2(call3).mask
  },
  {
    name: "top_k",
    signature: "top_k(x, k, axis = -1)",
    doc: "`where(top_k_mask(x, k), x, 0)`: the other entries are exactly zero, so experts behind them need not run",
    params: TOP_K,
    run(call3) {
      const { x, mask: mask2 } = topKMask2(call3);
      return call3.emit.pointwise("where", [mask2, x, { kind: "float", value: 0 }]);
    }
  },
  {
    name: "top_k_index",
    signature: "top_k_index(x, k, axis = -1)",
    doc: "i32, the places of the k largest along an axis, descending; of equal values the lower index first",
    params: TOP_K,
    run(call3) {
      const x = call3.num("x");
      const { k, axis: axis2 } = topKSettings(call3, x);
      return call3.emit.op({ kind: "top_k_index", k, axis: axis2 }, [{ id: x.id }]);
    }
  },
  {
    name: "take",
    signature: "take(x, index, axis)",
    doc: "x [B\u2026, A, C\u2026] read along `axis` at index [B\u2026, I\u2026], leading axes equal \u2192 [B\u2026, I\u2026, C\u2026]",
    params: [tensor("x"), tensor("index"), option("axis", "int")],
    run: take2
  },
  {
    name: "lookup",
    signature: "lookup(table, index)",
    doc: "rows of a table or of a tensor's first axis: [rows, C\u2026] at index [I\u2026] \u2192 [I\u2026, C\u2026]",
    params: [value("table"), tensor("index")],
    run(call3) {
      const rows = call3.tensor("table");
      if (rows.shape.length === 0) call3.fail("RMX0202", "table", "a tensor [] has no rows");
      const index2 = call3.i32("index");
      return call3.emit.op({ kind: "lookup" }, [{ id: rows.id }, { id: index2.id }]);
    }
  },
  {
    name: "one_hot",
    signature: "one_hot(index, n)",
    doc: "1 at the index and 0 elsewhere along a new last axis of n",
    params: [tensor("index"), int2("n")],
    run(call3) {
      const index2 = call3.i32("index");
      const n = call3.extent("n");
      const shape = [...index2.shape, n];
      call3.emit.checkSize(shape);
      const spread2 = {
        id: index2.id,
        map: broadcastMap(
          index2.shape,
          shape,
          index2.shape.map((_, i) => i)
        )
      };
      const places = call3.emit.op({ kind: "iota" }, [], { shape: [n], dtype: "i32" });
      const hit = call3.emit.op({ kind: "pointwise", fn: "eq" }, [spread2, broadcastOperand(places, shape)]);
      return call3.emit.pointwise("to_num", [hit]);
    }
  },
  {
    name: "iota",
    signature: "iota(n)",
    doc: "i32 [n]: 0, 1, \u2026, n - 1",
    params: [int2("n")],
    run: (call3) => call3.emit.op({ kind: "iota" }, [], { shape: [call3.extent("n")], dtype: "i32" })
  }
];
function topKSettings(call3, x) {
  const axis2 = call3.axis("axis", x.shape.length, -1);
  const k = call3.extent("k");
  const extent2 = x.shape[axis2] ?? 0;
  if (k > extent2) call3.fail("RMX0209", "k", `the ${k} largest of ${extent2} elements`);
  return { k, axis: axis2 };
}
function topKMask2(call3) {
  const x = call3.num("x");
  return { x, mask: call3.emit.op({ kind: "top_k_mask", ...topKSettings(call3, x) }, [{ id: x.id }]) };
}
function take2(call3) {
  const x = call3.tensor("x");
  const index2 = call3.i32("index");
  const axis2 = call3.axis("axis", x.shape.length, 0);
  const leads = index2.shape.length >= axis2 && x.shape.slice(0, axis2).every((extent2, i) => extent2 === index2.shape[i]);
  if (!leads) {
    call3.fail(
      "RMX0213",
      "index",
      `an index ${shapeText(index2.shape)} does not begin with the ${axis2} leading axes of ${shapeText(x.shape)}`,
      {
        secondary: [{ span: call3.spanOf("x"), message: shapeText(x.shape) }]
      }
    );
  }
  return call3.emit.op({ kind: "take", axis: axis2 }, [{ id: x.id }, { id: index2.id }]);
}

// src/model/padding.ts
init_indexmap();
function validMask(length2, max2, env, span, label) {
  const emit = env.emit(span, label);
  const position = emit.op({ kind: "iota" }, [], { shape: [max2], dtype: "i32" });
  return emit.op({ kind: "pointwise", fn: "lt" }, [{ id: position.id }, broadcastOperand(length2, [max2])]);
}
function alongFirstAxis(mask2, shape) {
  if (shape.length === 1) return { id: mask2.id };
  return { id: mask2.id, map: broadcastMap(mask2.shape, shape, [0]) };
}

// src/model/builtins/sequences.ts
var POOL = [tensor("x"), optional(tensor("valid"))];
var sequences = [
  {
    name: "index",
    signature: "index(uid)",
    doc: "the i32 ids of an `id` or `ids` feature",
    params: [value("feature")],
    run(call3) {
      const { value: v } = call3.bound("feature");
      const index2 = v.kind === "tensor" ? v.feature?.index : void 0;
      return index2 ?? call3.wrong("feature", "a feature of ids");
    }
  },
  {
    name: "length",
    signature: "length(hist)",
    doc: "i32 []: how many entries of a list or sequence are real",
    params: [value("list")],
    run: (call3) => padded(call3, "list").length
  },
  {
    name: "valid",
    signature: "valid(hist)",
    doc: "bool [max]: which entries of a list or sequence are real",
    params: [value("list")],
    run(call3) {
      const { length: length2, max: max2 } = padded(call3, "list");
      return validMask(length2, max2, call3.env, call3.site.span);
    }
  },
  {
    name: "last",
    signature: "last(x, n, length)",
    doc: "the last n real entries, aligned to the right \u2192 (values [n, \u2026], valid [n]); entries before the first are 0 and not valid",
    params: [tensor("x"), int2("n"), optional(tensor("length"))],
    run: last
  },
  {
    name: "sum_pool",
    signature: "sum_pool(watched) \xB7 sum_pool(x, valid)",
    doc: "the sum over the real entries; of nothing 0",
    params: POOL,
    run: (call3) => pool(call3, "sum")
  },
  {
    name: "mean_pool",
    signature: "mean_pool(watched) \xB7 mean_pool(x, valid)",
    doc: "the mean over the real entries; of nothing 0",
    params: POOL,
    run: (call3) => pool(call3, "mean")
  },
  {
    name: "max_pool",
    signature: "max_pool(watched) \xB7 max_pool(x, valid)",
    doc: "the largest of the real entries, each channel by itself; of nothing 0",
    params: POOL,
    run: (call3) => pool(call3, "max")
  }
];
function paddedOf(v) {
  if (v.kind === "seq") return { length: v.length, max: v.max };
  if (v.kind === "tensor" && v.feature?.length) return { length: v.feature.length, max: v.shape[0] ?? 0 };
  return void 0;
}
function padded(call3, name2) {
  const found = paddedOf(call3.bound(name2).value);
  if (found) return found;
  return call3.fail(
    "RMX0107",
    name2,
    `\`${call3.name}\` takes a list or a sequence, found ${describe(call3.bound(name2).value)}`,
    {
      help: "only `ids` and `seq` features have lengths; what is computed from them carries its mask as a value of its own"
    }
  );
}
function last(call3) {
  const x = call3.tensor("x");
  const n = call3.extent("n");
  const [max2] = x.shape;
  if (max2 === void 0) return call3.fail("RMX0202", "x", "a tensor [] has no entries");
  const length2 = call3.has("length") ? call3.rank("length", call3.i32("length"), 0) : padded(call3, "x").length;
  const places = call3.emit.op({ kind: "iota" }, [], { shape: [n], dtype: "i32" });
  const start = call3.emit.pointwise("sub", [length2, { kind: "int", value: n }]);
  const at2 = call3.emit.pointwise("add", [places, start]);
  const valid = call3.emit.pointwise("ge", [at2, { kind: "int", value: 0 }]);
  const clamped = call3.emit.pointwise("max", [at2, { kind: "int", value: 0 }]);
  const taken = call3.emit.op({ kind: "take", axis: 0 }, [{ id: x.id }, { id: clamped.id }]);
  return { kind: "results", values: [keep(call3, taken, valid, 0), valid] };
}
function keep(call3, x, valid, fill) {
  const other = broadcastOperand(call3.emit.constant(fill, x.dtype), x.shape);
  return call3.emit.op({ kind: "pointwise", fn: "where" }, [
    alongFirstAxis(valid, x.shape),
    { id: x.id },
    other
  ]);
}
function pool(call3, fn) {
  const x = call3.num("x");
  if (x.shape.length === 0) call3.fail("RMX0202", "x", "a tensor [] has no entries to pool");
  const { valid, count: count2, zeroed } = entries(call3, x);
  const rest2 = x.shape.slice(1);
  const reduce4 = (y, by) => call3.emit.op({ kind: "reduce", fn: by, axes: [0], keep: false }, [{ id: y.id }]);
  if (fn === "max") {
    const largest = reduce4(keep(call3, x, valid(), Number.NEGATIVE_INFINITY), "max");
    const some2 = call3.emit.pointwise("gt", [count2(), { kind: "int", value: 0 }]);
    return call3.emit.op({ kind: "pointwise", fn: "where" }, [
      broadcastOperand(some2, rest2),
      { id: largest.id },
      broadcastOperand(call3.emit.constant(0, "num"), rest2)
    ]);
  }
  const total = reduce4(zeroed ? x : keep(call3, x, valid(), 0), "sum");
  if (fn === "sum") return total;
  const many = call3.emit.pointwise("max", [call3.emit.num(count2()), { kind: "int", value: 1 }]);
  return call3.emit.pointwise("div", [total, many]);
}
function entries(call3, x) {
  if (!call3.has("valid")) {
    const { length: length2, max: max2 } = padded(call3, "x");
    const source = call3.bound("x").value;
    const zeroed = source.kind === "tensor" && source.feature?.index !== void 0;
    return { valid: () => validMask(length2, max2, call3.env, call3.site.span), count: () => length2, zeroed };
  }
  const valid = call3.rank("valid", call3.mask("valid"), 1);
  if (valid.shape[0] !== x.shape[0]) {
    call3.fail("RMX0213", "valid", `a mask ${shapeText(valid.shape)} beside entries ${shapeText(x.shape)}`, {
      secondary: [{ span: call3.spanOf("x"), message: shapeText(x.shape) }]
    });
  }
  const count2 = () => {
    const ones = call3.emit.pointwise("to_i32", [valid]);
    return call3.emit.op({ kind: "reduce", fn: "sum", axes: [0], keep: false }, [{ id: ones.id }]);
  };
  return { valid: () => valid, count: count2, zeroed: false };
}

// src/model/builtins/index.ts
var families = {
  pointwise: pointwise2,
  contraction,
  layout,
  reduction,
  normalisation,
  selection: selection3,
  masks,
  sequences
};
var builtins = new Map(
  Object.values(families).flat().map((builtin2) => [builtin2.name, builtin2])
);

// src/model/evaluate.ts
init_indexmap();

// src/model/tokens.ts
init_indexmap();

// src/model/indexing.ts
init_indexmap();

// src/model/precision.ts
init_stage();

// src/spec.ts
var MAX_SPEC_BYTES = 16 * 1024 * 1024;

// src/compile.ts
function compileFor(graph, profile, options = {}) {
  const { onPass } = options;
  const source = options.choices === true ? withChoices(graph) : graph;
  const { graph: final, plan } = runPipeline(source, {
    profile,
    reuseArena: options.reuseArena ?? true,
    reuse: options.reuse ?? true,
    ...onPass !== void 0 && { onPass: (pass, result) => onPass(pass, result, profile) }
  });
  const kernels = allKernels(plan).map((kernel) => printWgsl(lowerKernel(kernel, plan)));
  return { plan, kernels, graph: final, source };
}

// test/support/bench.tmp.ts
init_device();

// src/runtime/random.ts
function mix32(x) {
  let h = x | 0;
  h = Math.imul(h ^ h >>> 16, 569420461);
  h = Math.imul(h ^ h >>> 15, 3545902487);
  return h ^ h >>> 15 | 0;
}
function streamKey(seed, name2) {
  let a = mix32((seed | 0) ^ 2654435769);
  let b = mix32(Math.floor(seed / 2 ** 32) ^ a ^ 2135587861);
  for (let i = 0; i < name2.length; i++) {
    a = mix32(a ^ name2.charCodeAt(i));
    b = mix32(b + a | 0);
  }
  return { a, b };
}
function bitsAt(key, index2) {
  const high = Math.floor(index2 / 2 ** 32);
  return mix32(mix32((index2 | 0) ^ key.a) + (key.b ^ Math.imul(high, 2246822507)));
}
function uniformAt(key, index2) {
  return ((bitsAt(key, index2) >>> 0) + 0.5) / 2 ** 32;
}
function integerAt(key, index2, bound) {
  return Math.floor(uniformAt(key, index2) * bound);
}
function normalAt(key, index2) {
  return normalQuantile(uniformAt(key, index2));
}
function normalQuantile(p) {
  if (p < TAIL) return tail2(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - TAIL) return -tail2(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  const above = ((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r - 30.66479806614716) * r + 2.506628277459239;
  const below2 = ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r - 13.28068155288572) * r + 1;
  return q * above / below2;
}
var TAIL = 0.02425;
function tail2(q) {
  const above = ((((-0.007784894002430293 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q + 4.374664141464968) * q + 2.938163982698783;
  const below2 = (((0.007784695709041462 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1;
  return above / below2;
}

// src/runtime/drawn.ts
init_weights();
var PERTURBATION = 0.1;
function drawnWeights(params, options = {}) {
  const { seed = 0, perturb = false } = options;
  const known = byPath(params);
  const reads = new KeptReads(known, (param3, start, count2) => draw(param3, start, count2, seed, perturb));
  return {
    read: (path, start, count2) => reads.read(path, start, count2),
    has: (path) => known.has(path),
    release: () => reads.release(),
    close: () => reads.release()
  };
}
function draw(param3, start, count2, seed, perturb) {
  const out = new Float32Array(count2);
  const key = streamKey(seed, param3.path);
  const { init } = param3;
  if (init.kind === "zeros" || init.kind === "ones") {
    const centre = init.kind === "ones" ? 1 : 0;
    if (perturb) fillNormal(out, key, start, centre, PERTURBATION);
    else out.fill(centre);
  } else if (init.kind === "normal") {
    fillNormal(out, key, start, 0, init.std);
  } else {
    fillUniform(out, key, start, xavierBound(init, param3.shape));
  }
  return out;
}
function xavierBound(init, shape) {
  const out = shape.at(-1) ?? 1;
  const fanIn = shape.at(-2) ?? out;
  return init.scale * Math.sqrt(6 / Math.max(1, fanIn + out));
}
function fillNormal(out, key, start, mean, std) {
  for (let i = 0; i < out.length; i++) out[i] = mean + std * normalAt(key, start + i);
}
function fillUniform(out, key, start, bound) {
  const width = 2 * bound;
  for (let i = 0; i < out.length; i++) out[i] = uniformAt(key, start + i) * width - bound;
}

// src/runtime/drawninputs.ts
init_weights();
var FREE_INTEGER_BOUND = 100;
function drawnInputs(features, options) {
  const { requests, candidates, seed = 0, shuffled = false } = options;
  const drawn = /* @__PURE__ */ new Map();
  const lengthsFirst = features.toSorted(
    (a, b) => Number(b.lengthOf !== void 0) - Number(a.lengthOf !== void 0)
  );
  for (const feature2 of lengthsFirst) {
    const rows = feature2.stage === "user" ? requests : candidates;
    const lengths = feature2.length === void 0 ? void 0 : drawn.get(feature2.length);
    drawn.set(feature2.name, drawFeature(feature2, rows, streamKey(seed, `input:${feature2.name}`), lengths));
  }
  const request = Int32Array.from({ length: candidates }, (_, n) => Math.floor(n * requests / candidates));
  if (shuffled) shuffle(request, streamKey(seed, "input:request"));
  return { requests, candidates, request, features: drawn };
}
function drawFeature(feature2, rows, key, lengths) {
  const unit = countOf(feature2.shape);
  const perEntry = countOf(feature2.shape.slice(1));
  const out = feature2.dtype === "f32" ? new Float32Array(rows * unit) : new Int32Array(rows * unit);
  const bound = feature2.lengthOf !== void 0 ? feature2.lengthOf.max + 1 : feature2.table?.rows ?? FREE_INTEGER_BOUND;
  for (let row = 0; row < rows; row++) {
    const end = row * unit + (lengths === void 0 ? unit : (lengths[row] ?? 0) * perEntry);
    for (let i = row * unit; i < end; i++) {
      out[i] = feature2.dtype === "f32" ? normalAt(key, i) : integerAt(key, i, bound);
    }
  }
  return out;
}
function shuffle(values, key) {
  for (let i = values.length - 1; i > 0; i--) {
    const j = (bitsAt(key, i) >>> 0) % (i + 1);
    const kept = values[i] ?? 0;
    values[i] = values[j] ?? 0;
    values[j] = kept;
  }
}

// test/support/bench.tmp.ts
init_inputs();
init_webgpu();
var device = await openDevice("webgpu");
var forms = {
  self: [{ queries: "item", keys: "item", H: 4, I: 256, J: 256, K: 32, E: 32, fn: "softmax" }, 8, 1],
  causal: [{ queries: "item", keys: "item", H: 4, I: 256, J: 256, K: 32, E: 32, fn: "softmax", masks: ["causal"] }, 8, 1],
  small: [{ queries: "item", keys: "item", H: 4, I: 16, J: 16, K: 16, E: 16, fn: "softmax" }, 256, 1],
  target: [{ queries: "item", keys: "user", H: 4, I: 1, J: 500, K: 16, E: 16, fn: "softmax", masks: ["length"] }, 256, 2]
};
for (const name2 of process.argv.slice(2)) {
  const [form, candidates, requests] = forms[name2];
  const graph = attention(form);
  const variant = compileFor(graph, device.profile, {});
  const weights = drawnWeights(variant.graph.params, { seed: 1, perturb: true });
  let t0 = performance.now();
  const engine = await loadWebGpuEngine(device, variant, weights, {});
  const inputs = drawnInputs(variant.graph.features, { requests, candidates, seed: 1 });
  const user = await engine.user(stageValues(variant.plan.features, inputs, "user"), { requests });
  const item = stageValues(variant.plan.features, inputs, "item");
  const call3 = async () => engine.score(user, item, { request: inputs.request, candidates });
  await call3();
  const first2 = performance.now() - t0;
  const times3 = [];
  for (let i = 0; i < 12; i++) {
    t0 = performance.now();
    await call3();
    times3.push(performance.now() - t0);
  }
  times3.sort((a, b) => a - b);
  const flops = candidates * form.H * Math.max(1, form.I) * form.J * 2 * (form.K + form.E);
  console.log(name2, variant.plan.kernels.item.map((k) => k.name + ":" + k.lowering.kind + (k.lowering.rows ? k.lowering.rows : "")).join(" "), "first", first2.toFixed(0), "best", times3[0].toFixed(2), "ms median", times3[6].toFixed(2), (flops / times3[0] / 1e6).toFixed(1), "GFLOP/s");
  engine.destroy();
}
process.exit(0);
