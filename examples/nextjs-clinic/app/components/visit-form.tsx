'use client'

import { useState, type FormEvent } from 'react'
import { Choice, Text } from './fields'
import { visitFromForm } from './visit-from-form'

interface FieldError {
  field: string
  message: string
}
interface Notice {
  kind: 'ok' | 'error'
  text: string
  fields: FieldError[]
}

export function VisitForm() {
  const [busy, setBusy] = useState(false)
  const [notice, setNotice] = useState<Notice | null>(null)

  async function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = event.currentTarget
    setBusy(true)
    try {
      const started = performance.now()
      const response = await fetch('/api/visits', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(visitFromForm(new FormData(form))),
      })
      const answer = (await response.json()) as { hl7?: string; messages?: unknown[]; error?: string; fields?: FieldError[] }
      if (response.status === 201) {
        const ms = Math.round(performance.now() - started)
        setNotice({ kind: 'ok', text: `Saved in ${ms} ms: ${answer.messages?.length ?? 0} message(s) ${answer.hl7}.`, fields: [] })
        form.reset()
      } else {
        setNotice({ kind: 'error', text: response.status === 400 ? 'Please check:' : `Not saved (${answer.error ?? response.status}).`, fields: answer.fields ?? [] })
      }
    } catch {
      setNotice({ kind: 'error', text: 'Not saved: the clinic’s server does not answer.', fields: [] })
    } finally {
      setBusy(false)
    }
  }

  return (
    <section className="card" aria-labelledby="visit-heading">
      <h2 id="visit-heading">New visit</h2>
      <form onSubmit={save}>
        <fieldset>
          <legend>Patient</legend>
          <Text name="mrn" label="Patient number" initial="789012" />
          <Text name="familyName" label="Family name" initial="Example" />
          <Text name="givenName" label="Given name" initial="Noor" />
          <Text name="birthDate" label="Date of birth" type="date" initial="2014-03-05" />
          <Choice name="sex" label="Sex" options={[['F', 'Female'], ['M', 'Male'], ['U', 'Unknown']]} />
        </fieldset>
        <fieldset>
          <legend>Visit</legend>
          <Text name="schoolId" label="School" initial="SCHOOL-1" />
          <Text name="reason" label="Reason" initial="Headache" />
          <Text name="doctorId" label="Doctor’s licence" initial="GD0000" />
          <Text name="doctorFamilyName" label="Doctor’s family name" initial="Doctor" />
          <Text name="doctorGivenName" label="Doctor’s given name" initial="Test" />
        </fieldset>
        <fieldset>
          <legend>Assessment</legend>
          <Text name="temperatureC" label="Temperature, °C" type="number" step="0.1" optional />
          <Text name="pulsePerMinute" label="Pulse, per minute" type="number" optional />
          <Text name="weightKg" label="Weight, kg" type="number" step="0.1" optional />
          <Text name="heightCm" label="Height, cm" type="number" step="0.1" optional />
          <label className="wide">
            Notes
            <textarea name="notes" rows={3} />
          </label>
        </fieldset>
        <button type="submit" disabled={busy}>
          {busy ? 'Saving…' : 'Save visit'}
        </button>
      </form>
      <div role="status" aria-live="polite">
        {notice !== null && (
          <div className={`notice ${notice.kind}`}>
            <p>{notice.text}</p>
            {notice.fields.length > 0 && (
              <ul>
                {notice.fields.map(({ field, message }) => (
                  <li key={field}>
                    <code>{field}</code> {message}
                  </li>
                ))}
              </ul>
            )}
          </div>
        )}
      </div>
    </section>
  )
}
