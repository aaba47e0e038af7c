/**
 * Finds the messages in a file as senders and captures leave it: one message, several behind one another, a batch (FHS, BHS,
 * BTS, FTS), MLLP frames. Never more than one message is kept. What may have been cut is told, not given: half a message can look whole.
 */

export type Piece =
  | { readonly kind: 'message'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'bad'; readonly position: number; readonly code: string; readonly what: string }

const [CR, LF, FRAME_START, FRAME_END] = [0x0d, 0x0a, 0x0b, 0x1c]
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

export const CUT = {
  frame: ['FRAME_CUT', 'an MLLP frame begins here and has no end; the message may be cut, and is left out'],
  batch: ['BATCH_CUT', 'the batch has no BTS or FTS behind this message, which may be cut, and is left out'],
  size: ['ERR_HL7_TOO_LARGE', 'the message is over the size limit'],
  stray: ['NO_MESSAGE', 'these bytes belong to no message: nothing before them begins with MSH'],
} as const

export class Splitter {
  readonly #bytesMax: number
  #held: Buffer = Buffer.alloc(0)
  /** Place in the file of the first byte held, and of the next one to look at. */
  #base = 0
  #next = 0
  /** Where the line, the message and the frame began that are not ended yet. */
  #line = 0
  #message: number | undefined
  #frame: number | undefined
  /** Inside a batch, and how many messages it has given. */
  #batch: { count: number } | undefined
  #isStray = false
  /** The line at hand was too long to be kept; its beginning was looked at. */
  #isMidLine = false
  #found: Piece[] = []

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  feed(chunk: Buffer): Piece[] {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    if (this.#base === 0 && this.#next === 0) {
      if (this.#held.length < BYTE_ORDER_MARK.length) return []
      this.#skipMark()
    }
    this.#walk()
    this.#letGo()
    return this.#found.splice(0)
  }

  end(): Piece[] {
    if (this.#base === 0 && this.#next === 0) this.#skipMark()
    this.#walk()
    if (this.#frame !== undefined) this.#bad(this.#frame, CUT.frame)
    else {
      this.#endLine(this.#next)
      if (this.#batch === undefined || this.#message === undefined) this.#endMessage(this.#next)
      else this.#bad(this.#message, CUT.batch)
    }
    return this.#found.splice(0)
  }

  #skipMark(): void {
    if (this.#held.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)) this.#next = this.#line = BYTE_ORDER_MARK.length
  }

  #walk(): void {
    const end = this.#base + this.#held.length
    for (; this.#next < end; this.#next++) {
      const byte = this.#held[this.#next - this.#base]
      if (byte === FRAME_START) this.#beginFrame()
      else if (this.#frame !== undefined) {
        if (byte === FRAME_END) this.#endFrame(this.#frame)
      } else if (byte === CR || byte === LF) {
        this.#endLine(this.#next)
        this.#line = this.#next + 1
      }
    }
  }

  #beginFrame(): void {
    if (this.#frame !== undefined) this.#bad(this.#frame, CUT.frame)
    else {
      this.#endLine(this.#next)
      this.#endMessage(this.#next)
    }
    this.#frame = this.#next
    this.#isStray = false
  }

  #endFrame(start: number): void {
    this.#give(start + 1, this.#next)
    this.#frame = undefined
    this.#line = this.#next + 1
  }

  /** Outside frames: what a line means is told by its first letters. */
  #endLine(end: number): void {
    if (this.#isMidLine) {
      this.#isMidLine = false
      return
    }
    const name = this.#held.toString('latin1', this.#line - this.#base, Math.min(end, this.#line + 3) - this.#base)
    if (name === '') return
    if (name === 'MSH') {
      this.#endMessage(this.#line)
      this.#message = this.#line
      this.#isStray = false
    } else if (name === 'FHS' || name === 'BHS') {
      this.#endMessage(this.#line)
      this.#batch ??= { count: 0 }
    } else if (name === 'BTS' || name === 'FTS') {
      this.#endMessage(this.#line)
      this.#compare(name, end)
    } else if (this.#message === undefined && !this.#isStray) {
      this.#bad(this.#line, CUT.stray)
      this.#isStray = true
    }
  }

  /** BTS-1 says how many messages the batch has. */
  #compare(name: string, end: number): void {
    const said = Number(this.#held.toString('latin1', this.#line + 4 - this.#base, end - this.#base).split(/[^0-9]/, 1)[0])
    const { count } = this.#batch ?? { count: 0 }
    if (name === 'BTS' && said > 0 && said !== count) {
      this.#found.push({ kind: 'bad', position: this.#line, code: 'BATCH_COUNT', what: `BTS-1 says ${said} messages, and there are ${count} here` })
    }
    this.#batch = undefined
  }

  #endMessage(end: number): void {
    if (this.#message !== undefined) this.#give(this.#message, end)
    this.#message = undefined
  }

  #give(start: number, end: number): void {
    if (this.#batch !== undefined) this.#batch.count++
    // What went over the limit was let go of.
    if (start < this.#base || end - start > this.#bytesMax) this.#bad(start, CUT.size)
    // A copy: what is held is thrown away.
    else this.#found.push({ kind: 'message', position: start, bytes: Buffer.from(this.#held.subarray(start - this.#base, end - this.#base)) })
  }

  #bad(position: number, [code, what]: readonly [string, string]): void {
    this.#found.push({ kind: 'bad', position, code, what })
  }

  /** Forgets what is done with. Of a message over the limit nothing is kept: the start that lies before what is held tells it. */
  #letGo(): void {
    const begun = this.#frame ?? this.#message ?? this.#line
    if (this.#next - begun <= this.#bytesMax) { this.#cutTo(begun); return; }
    if (this.#frame !== undefined) { this.#cutTo(this.#next); return; }
    if (this.#next - this.#line > this.#bytesMax) {
      // Its first letters tell what it is; of a line that goes on and on they were looked at before.
      this.#endLine(this.#next)
      this.#line = this.#next
      this.#isMidLine = true
    }
    this.#cutTo(this.#line)
  }

  #cutTo(position: number): void {
    if (position <= this.#base) return
    this.#held = Buffer.from(this.#held.subarray(position - this.#base))
    this.#base = position
  }
}

/** The messages of a file that is in memory; one message, without anything around it, is the whole file. */
export function split(file: Buffer): Piece[] {
  const splitter = new Splitter(file.length)
  const pieces = [...splitter.feed(file), ...splitter.end()]
  const isPlain = !file.includes(FRAME_START) && !/(^|[\r\n])[FB][HT]S/.test(file.toString('latin1'))
  return pieces.length <= 1 && isPlain ? [{ kind: 'message', position: 0, bytes: file }] : pieces
}

/** The type of a message (`ADT`), as far as its header tells. */
export function typeOf(message: Buffer): string {
  const start = message.indexOf('MSH')
  const end = message.findIndex((byte, at) => at > start && (byte === CR || byte === LF))
  const header = message.toString('latin1', start, end === -1 ? Math.min(message.length, start + 1_000) : end)
  return header.split(header.charAt(3))[8]?.split(header.charAt(4))[0] ?? ''
}
