/** What the handler answers; the words are those of the outbox's own types. */
export type Status = 'PENDING' | 'HELD' | 'SENT' | 'ACKNOWLEDGED' | 'FAILED' | 'CANCELLED'
export const STATES: Status[] = ['PENDING', 'HELD', 'SENT', 'ACKNOWLEDGED', 'FAILED', 'CANCELLED']

export interface Session {
  actor: string
  may: string[]
  tags: Record<string, string> | null
  token: string
  now: string
}

export interface Message {
  id: string
  controlId: string
  messageType: string
  destination: string
  status: Status
  inFlight: boolean
  attempts: number
  tries: number
  possibleDuplicate: boolean
  waitingFor: string | null
  blockedBy: string | null
  overtaken: boolean
  warning: string | null
  failure: null | { reason: string; code: string; httpStatus?: number; ackCode?: string; errCodes?: string[] }
  priority: string
  tags: Record<string, string>
  replaces: string | null
  replacedBy: string | null
  createdAt: string
  dueAt: string | null
  sentAt: string | null
  acknowledgedAt: string | null
  updatedAt: string
  purgedAt?: string
}

export interface Attempt {
  n: number
  startedAt: string
  endedAt: string | null
  outcome: string | null
  row: string | null
  httpStatus?: number
  ackCode?: string
  errCodes?: string[]
  code?: string
  bytesSent?: number
  counted: boolean
  manual: boolean
}

export interface Listed {
  items: Message[]
  nextCursor: string | null
  searched?: { count: number; backTo: string | null }
  now: string
}

export interface Detail {
  message: Message
  attempts: Attempt[]
  neighbours: { before: Message[]; behind: Message[] }
}

export interface Changed {
  changed: string[]
  unchanged: { id: string; code: string }[]
  count: number
  /** Of a command on all that match: where to go on. */
  next?: string | null
}

export interface Finding {
  severity: 'error' | 'warning'
  code: string
  segment: string
  field?: string
  message: string
}

export interface Content {
  bytes: number
  utf8: boolean
  separators: { field: string; component: string; repetition: string; escape: string; subcomponent: string }
  segments: { name: string; fields: { n: number; text: string; characters?: number }[]; more: number }[]
  more: number
  text: string | null
}

export interface Overview {
  stats: null | {
    byStatus: Record<Status, number>
    byDestination: Record<string, Record<Status, number>>
    oldestPendingAgeMs: number | null
    delivered: { last1m: number; last1h: number; last24h: number }
    successRate24h: number | null
    deliveryMs: { p50: number; p95: number; p99: number } | null
    retries24h: { automatic: number; manual: number }
    lastAttemptAt: string | null
  }
  health: {
    status: 'ok' | 'degraded' | 'down'
    problems: { code: string; message: string; remedy: string }[]
    dispatcher: { pid: number; host: string; since: string } | null
    destinations: Record<string, { state: string; since: string; reason: string | null; pending: number | null; inFlight: number | null; certificateExpiresAt: string | null }>
  }
}

export interface History {
  hours: { at: string; stored: number; delivered: number; p50: number | null; p95: number | null }[]
  wholeSince: string | null
}

export interface Refusal {
  id: string
  version: string
  destination: string
  code: string
  errCodes: string[]
  reason: string
  count: number
  perDay: number[]
  newestAt: string | null
  examples: Message[]
  owner: string | null
  note: string | null
  state: 'open' | 'rectified'
  rectifiedAt: string | null
  rectifiedBy: string | null
  reopenedAt: string | null
}

export interface Refusals {
  groups: Refusal[]
  days: string[]
  more: boolean
}
