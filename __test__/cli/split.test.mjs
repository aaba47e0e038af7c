// Finding messages in files: every form, cut anywhere, and what may have been cut itself.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { root } from '../support/outbox.mjs'

const { Splitter, typeOf } = createRequire(import.meta.url)(join(root, 'dist', 'cli', 'hl7', 'split.js'))
const [A, B, C] = ['A', 'B', 'C'].map((control) => hl7({ control, arabic: true }))
const frame = (message) => `\x0b${message}\x1c\r`

/** What a file gives when it is read in pieces of `size` bytes. */
function pieces(text, size = Infinity, bytesMax = 1 << 20) {
  const file = Buffer.from(text, 'utf8')
  const splitter = new Splitter(bytesMax)
  const found = []
  for (let at = 0; at < file.length; at += size) found.push(...splitter.feed(file.subarray(at, at + size)))
  found.push(...splitter.end())
  return found.map((piece) => (piece.kind === 'message' ? [piece.position, piece.bytes.toString('utf8')] : [piece.position, piece.code]))
}

const at = (text, part) => Buffer.byteLength(text.slice(0, text.indexOf(part)))
const batch = `FHS|^~\\&|X\rBHS|^~\\&|X\r${A}${B}BTS|2\rFTS|1\r`
const forms = {
  'one message': [A, [[0, A]]],
  'without its last segment end': [A.slice(0, -1), [[0, A.slice(0, -1)]]],
  'line feeds': [A.replaceAll('\r', '\n') + B.replaceAll('\r', '\r\n'), [[0, A.replaceAll('\r', '\n')], [Buffer.byteLength(A), B.replaceAll('\r', '\r\n')]]],
  'a byte order mark, and blank lines between': [`\ufeff\r\n${A}\r\n\r\n${B}`, [[5, `${A}\r\n\r\n`], [9 + Buffer.byteLength(A), B]]],
  'a batch': [batch, [[at(batch, A), A], [at(batch, B), B]]],
  'frames': [frame(A) + frame(B) + frame(C), [A, B, C].map((message) => [at(frame(A) + frame(B) + frame(C), message), message])],
  'a frame and then none': [`${frame(A)}${B}`, [[1, A], [Buffer.byteLength(frame(A)), B]]],
  'two messages in one frame stay one': [frame(A + B), [[1, A + B]]],
  'an empty frame': [frame(''), [[1, '']]],
  'a frame that is cut by the next one': [`\x0b${A.slice(0, 50)}${frame(B)}`, [[0, 'FRAME_CUT'], [52, B]]],
  'a frame that is cut by the end': [`${frame(A)}\x0b${B}`, [[1, A], [Buffer.byteLength(frame(A)), 'FRAME_CUT']]],
  'a batch that is cut': [`BHS|^~\\&|X\r${A}${B.slice(0, 80)}`, [[11, A], [11 + Buffer.byteLength(A), 'BATCH_CUT']]],
  'a batch with a wrong number': [`BHS|^~\\&|X\r${A}BTS|7\r`, [[11, A], [11 + Buffer.byteLength(A), 'BATCH_COUNT']]],
  'something else, told once': ['a note\rof two lines\r' + A, [[0, 'NO_MESSAGE'], [20, A]]],
  'nothing but something else': ['\x00\x01\x02', [[0, 'NO_MESSAGE']]],
  'nothing': ['', []],
  'blank lines': ['\r\n\r\n', []],
  'UTF-16': [Buffer.from(A, 'utf16le').toString('latin1'), null],
}

for (const [name, [text, expected]] of Object.entries(forms)) {
  test(`${name}: the same messages, however the file is cut into pieces`, () => {
    const whole = pieces(text)
    if (expected !== null) assert.deepEqual(whole, expected)
    else assert.deepEqual(whole.filter(([, what]) => what.startsWith('MSH')), [])
    for (const size of [1, 2, 3, 7, 64, 300]) assert.deepEqual(pieces(text, size), whole, `pieces of ${size}`)
  })
}

test('a message over the limit is told by its place, costs no memory, and its neighbours come through', () => {
  const big = hl7({ control: 'BIG', bytes: 40_000 })
  const long = `${A}${big}${B}`
  const lines = `${A}${hl7({ control: 'LINES' })}${'NTE|1||x\r'.repeat(5_000)}${B}`
  for (const size of [100, 1_000, Infinity]) {
    assert.deepEqual(pieces(long, size, 2_000), [[0, A], [Buffer.byteLength(A), 'ERR_HL7_TOO_LARGE'], [Buffer.byteLength(A + big), B]], `${size}`)
    assert.deepEqual(pieces(lines, size, 2_000).map(([, what]) => what), [A, 'ERR_HL7_TOO_LARGE', B], `${size}`)
    assert.deepEqual(pieces(frame(big) + frame(B), size, 2_000).map(([, what]) => what), ['ERR_HL7_TOO_LARGE', B], `${size}`)
  }
})

test('the type of a message is read from its header', () => {
  assert.equal(typeOf(Buffer.from(A)), 'ADT')
  assert.equal(typeOf(Buffer.from('MSH|^~\\&|A|B|C|D|2030||ACK^A04^ACK|X|T|2.5.1\rMSA|AA|Y\r')), 'ACK')
  assert.equal(typeOf(Buffer.from('MSH')), '')
  assert.equal(typeOf(Buffer.from('')), '')
})
