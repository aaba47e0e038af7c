import { native } from './bind.js'

/** One row of the table of error codes. */
export interface ErrorCode {
  readonly code: string
  readonly fault: 'caller' | 'host' | 'outbox'
  readonly retry: boolean
  readonly meaning: string
  readonly remedy: string
}

/** The table of error codes, from the native side that raises them. */
export function errorCodes(): ErrorCode[] {
  return JSON.parse(native().errorCodes()) as ErrorCode[]
}

/** One rule of the check. */
export interface CheckRule {
  readonly code: string
  readonly severity: 'error' | 'warning'
  readonly profile: 'hl7' | 'malaffi'
  readonly meaning: string
  readonly remedy: string
  readonly example: string
}

/** The rules of the check, from the native side that applies them. */
export function checkRules(): CheckRule[] {
  return JSON.parse(native().checkRules()) as CheckRule[]
}

/** One row of the outcome table: from an answer to what the attempt came to. */
export interface OutcomeRow {
  readonly name: string
  readonly rule: number
  readonly meaning: string
  readonly outcome: string
  readonly overrides: string[]
  readonly example: string
}

/** The outcome table, from the native side that judges by it. */
export function outcomeRows(): OutcomeRow[] {
  return JSON.parse(native().outcomeRows()) as OutcomeRow[]
}
