'use client'

import type { Message, Status } from 'hl7-outbox' // types alone: the module itself never reaches the browser
import { useCallback, useEffect, useRef, useState } from 'react'

const POLL_MS = 1_000

export interface MessagesPage {
  items: Message[]
  byStatus: Record<Status, number>
  notQueued: { waiting: number; refused: number }
}

/** The newest messages, asked for every second while the page is visible. */
export function useMessages(): { page: MessagesPage | null; failed: boolean; refresh: () => Promise<void> } {
  const [page, setPage] = useState<MessagesPage | null>(null)
  const [failed, setFailed] = useState(false)
  const newest = useRef(0)

  const refresh = useCallback(async () => {
    const asked = ++newest.current
    try {
      const response = await fetch('/api/hl7', { cache: 'no-store' })
      const answer = response.ok ? ((await response.json()) as MessagesPage) : null
      if (asked !== newest.current) return // a later question is under way: an old answer would step back in time
      if (answer !== null) setPage(answer)
      setFailed(answer === null)
    } catch {
      if (asked === newest.current) setFailed(true)
    }
  }, [])

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let gone = false
    const poll = async () => {
      if (document.visibilityState === 'visible') await refresh()
      if (!gone) timer = setTimeout(() => void poll(), POLL_MS)
    }
    void poll()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [refresh])

  return { page, failed, refresh }
}
