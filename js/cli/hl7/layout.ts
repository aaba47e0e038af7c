/** A message or an answer laid out for reading: a segment's name, and a line for each field that holds something. */
import { clean } from '../output.js'

const CR = 0x0d
const LF = 0x0a

export function layOut(content: Uint8Array): string {
  const lines = segments(Buffer.from(content)).map(text).filter((segment) => segment !== '')
  const separator = /^(MSH|FHS|BHS)(.)/.exec(lines[0] ?? '')?.[2]
  // What is no HL7 (an answer in HTML, words of a proxy) is shown as it is.
  if (separator === undefined) return lines.map((line) => `  ${clean(line)}\n`).join('')
  return lines.map((line) => segment(line, separator)).join('')
}

function segment(line: string, separator: string): string {
  const [name = '', ...fields] = line.split(separator)
  const isHeader = name === 'MSH' || name === 'FHS' || name === 'BHS'
  // MSH-1 is the separator itself.
  const numbered: [number, string][] = isHeader ? [[1, separator], ...fields.map((value, n): [number, string] => [n + 2, value])] : fields.map((value, n) => [n + 1, value])
  const shown = numbered.filter(([, value]) => value !== '').map(([n, value]) => `  ${`${clean(name)}-${n}`.padEnd(8)} ${clean(value)}\n`)
  return `${clean(name)}\n${shown.join('')}`
}

function segments(bytes: Buffer): Buffer[] {
  const found: Buffer[] = []
  let start = 0
  for (let at = 0; at <= bytes.length; at++) {
    if (at < bytes.length && bytes[at] !== CR && bytes[at] !== LF) continue
    if (at > start) found.push(bytes.subarray(start, at))
    start = at + 1
  }
  return found
}

/** UTF-8; a byte that is none is written out, so that nothing is shown as something else. */
function text(bytes: Buffer): string {
  const whole = bytes.toString('utf8')
  if (!whole.includes('\ufffd')) return whole
  return [...bytes].map((byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join('')
}
