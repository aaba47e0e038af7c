/** What an operator does to the file as a whole; the command line's own side of the facade. */
import { hostname } from 'node:os'

import type { Backup, Message, OutboxConfig } from '../../index.js'
import * as check from './arguments.js'
import { native } from './bind.js'

/** A message with what it takes to hand it over elsewhere. */
export interface LaidOut extends Message {
  /** Messages with the same word must keep their order; null for no order. Says nothing of the patient. */
  lane: string | null
  /** The order within the lane, lowest first. */
  position: number
  /** Whether its bytes are still those that were stored. */
  isWhole: boolean
}

export interface Restored {
  bytes: number
  messages: number
  pending: number
  /** Where the file is that was there before. */
  keptAs: string | null
}

/** One file as the file system knows it; what a system does not say is null. */
export interface FileFacts {
  bytes: number
  isLink: boolean
  names: number | null
  mode: number | null
  uid: number | null
  readable: boolean
  writable: boolean
}

/** What was found at a path, without changing anything. */
export interface Inspection {
  sqliteVersion: string
  schemaKnown: number
  directory: {
    exists: boolean
    isNetwork: boolean
    writable: boolean | null
    mode: number | null
    uid: number | null
    freeBytes: number | null
    totalBytes: number | null
  }
  kind: 'missing' | 'directory' | 'other' | 'link' | 'unreadable' | 'empty' | 'other-database' | 'no-database' | 'outbox'
  file: FileFacts | null
  header: { schema: number; pageBytes: number; pages: number } | null
  log: FileFacts | null
  index: FileFacts | null
  journal: FileFacts | null
  users: {
    openBy: number[]
    left: string[]
    unreadable: boolean
    led: boolean
    beat: { pid: number; host: string; since: number; at: number } | null
  }
  restoring: boolean
  contents: null | {
    schema: number | null
    tooNew: boolean
    faults: string[]
    changedBodies: number | null
    checkMs: number
    messages: Record<string, number>
    destinations: { name: string; paused: boolean; state: string; reason: string | null; patch: string | null }[]
    /** Alerts that were not taken, by target. */
    undelivered: { target: string; waiting: number; givenUp: number; error: string }[]
    /** When a process last said that it has a function for alerts. */
    alertCallbackAt: number | null
    latest: number | null
    failed: string | null
    locked: boolean
  }
}

export interface ProbedDestination {
  name: string
  enabled: boolean
  error: { code: string; message: string; hint: string | null } | null
  clientCertificateExpiresAt: string | null
  /** The receiver, and the server that gives its tokens; none when it was not tried. */
  ways: { whom: 'receiver' | 'token-server'; address: string; fault: string | null; tookMs: number; certificateExpiresAt: string | null }[]
}

export interface Probed {
  path: string
  destinations: ProbedDestination[]
  /** Webhooks of alerts, named by their places in the configuration; null when no alerts are configured. */
  webhooks: ProbedDestination[] | null
}

export interface TestedWebhook {
  /** Its place in the configuration. */
  n: number
  host: string
  /** Why it did not take the alert; a code. */
  error: string | null
  tookMs: number
}

/** Copies an outbox that this process need not have open. */
export async function backupFile(path: string, to: string, options: { replace?: boolean } = {}): Promise<Backup> {
  return JSON.parse(await native().backupFile(path, to, check.replaces(options))) as Backup
}

/** Puts a backup in an outbox's place. */
export async function restoreFile(from: string, path: string): Promise<Restored> {
  return JSON.parse(await native().restoreFile(from, path)) as Restored
}

/** Looks, and changes nothing. */
export async function inspectFile(path: string, full: boolean): Promise<Inspection> {
  return JSON.parse(await native().inspectFile(path, full)) as Inspection
}

/** Resolves a configuration, with changes by name that a file holds, and tries its destinations without a message. */
export async function probeDestinations(config: OutboxConfig | undefined, patches: Record<string, string>, timeoutMs: number | undefined): Promise<Probed> {
  const json = config === undefined ? undefined : check.json(config, 'config', 'ERR_CONFIG')
  return JSON.parse(await native().probeDestinations(json, JSON.stringify(process.env), process.cwd(), JSON.stringify(patches), timeoutMs)) as Probed
}

/** Sends a test alert to each webhook of a configuration. */
export async function testAlerts(config: OutboxConfig): Promise<TestedWebhook[]> {
  const json = check.json(config, 'config', 'ERR_CONFIG')
  return JSON.parse(await native().testAlerts(json, JSON.stringify(process.env), process.cwd(), hostname())) as TestedWebhook[]
}
