// Words for people go to stderr, results to stdout; colours only where somebody sees them and did not refuse them (NO_COLOR).
const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] }

function painter(stream) {
  const on = stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  const paint = ([open, close]) => (on ? (text) => `\u001b[${open}m${text}\u001b[${close}m` : (text) => String(text))
  return Object.fromEntries(Object.entries(CODES).map(([name, code]) => [name, paint(code)]))
}

export const out = painter(process.stdout)
const err = painter(process.stderr)

export const step = (text) => console.error(err.bold(`\n==> ${text}`))
export const note = (text) => console.error(err.dim(`    ${text}`))
export const result = (text = '') => console.log(text)

/** An error, then its cause, then what to do. */
export function complain(error) {
  const [first, ...rest] = String(error?.message ?? error).split('\n')
  console.error(err.red(`error: ${first}`))
  for (const line of rest) console.error(err.dim(`    ${line}`))
  if (error?.cause) console.error(err.dim(`    because: ${error.cause.message ?? error.cause}`))
  if (error?.hint) console.error(`${err.cyan('hint:')} ${error.hint}`)
}
