'use client'

import type { Message } from 'hl7-outbox'
import { useState } from 'react'

export function MessageRow({ message, onChanged }: { message: Message; onChanged: () => Promise<void> }) {
  return (
    <tr>
      <td>
        <span className={`status ${message.status.toLowerCase()}`}>{message.status}</span>
        <span className="why">{whyOf(message)}</span>
      </td>
      <td>{message.messageType}</td>
      <td>
        <code>{message.controlId}</code>
      </td>
      <td>{message.tags['schoolId']}</td>
      <td>{message.tries}</td>
      <td>
        <time dateTime={message.createdAt}>{new Date(message.createdAt).toLocaleTimeString()}</time>
      </td>
      <td>{isRetryable(message) && <RetryButton message={message} onChanged={onChanged} />}</td>
    </tr>
  )
}

function RetryButton({ message, onChanged }: { message: Message; onChanged: () => Promise<void> }) {
  const [busy, setBusy] = useState(false)
  const [refusal, setRefusal] = useState('')
  async function retry() {
    setBusy(true)
    try {
      const response = await fetch(`/api/hl7/${message.id}/retry`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ actor: 'clinic page', reason: 'retry button' }),
      })
      setRefusal(response.ok ? '' : ((await response.json()) as { code?: string }).code ?? 'failed')
      await onChanged()
    } catch {
      setRefusal('no answer')
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <button type="button" className="small" disabled={busy} onClick={() => void retry()} aria-label={`Retry ${message.controlId} now`}>
        Retry
      </button>
      <span className="why" role="status">
        {refusal}
      </span>
    </>
  )
}

function isRetryable({ status, inFlight }: Message): boolean {
  return !inFlight && (status === 'FAILED' || status === 'PENDING')
}

function whyOf({ status, failure, inFlight, waitingFor, warning }: Message): string {
  if (failure !== null && status === 'FAILED') return `${failure.reason}: ${failure.code}`
  if (status === 'PENDING') return inFlight ? 'being sent' : waitingFor === null ? '' : `waits: ${waitingFor}`
  return warning ?? ''
}
