/** `checkHl7`: pure and synchronous, so it needs no outbox and starts none. */
import type { Finding } from '../../index.js'
import * as check from './arguments.js'
import { native } from './bind.js'

export function checkHl7(
  message: string | Uint8Array,
  options: { profile?: 'hl7' | 'malaffi'; doctorIds?: string[]; messageBytes?: number } = {},
): Finding[] {
  try {
    const { flat, messageBytes } = check.checks(options, 'options', 'checkHl7')
    return JSON.parse(native().checkHl7(check.message(message), flat, messageBytes)) as Finding[]
  } catch (error) {
    throw check.coded(error)
  }
}
