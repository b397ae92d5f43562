/** The documents of the service (the full description is /openapi.json) and what the page keeps of each photo. */
import type { Problem } from "./problem.js";

export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

export interface JobOptions {
  method: string;
  budget?: number | string | null;
}

export interface Delivery {
  to: string;
  state: "waiting" | "delivered" | "held" | "failed" | null;
  attempts: number;
  error: string | null;
  next: string | null;
}

export interface Job {
  id: string;
  name: string;
  state: JobState;
  progress: number;
  attempts: number;
  created: string;
  expires: string | null;
  photo: { format: string; bytes: number; width: number; height: number };
  options: JobOptions;
  hidden: boolean | null;
  hidden_unseen: boolean | null;
  error: string | null;
  delivery: Delivery | null;
}

export interface Limits {
  max_bytes?: number;
  formats?: string[];
  keep_hours?: number;
  checks?: string[];
}

export interface Health {
  workers: number | null;
}

/** How one encoder ranks the photo before and after protection. */
export interface EncoderReport {
  name: string;
  seen: boolean;
  hidden: boolean;
  rank_before: number;
  rank_after: number;
  gallery_photos: number;
  survives: Record<string, boolean>;
}

export interface Report {
  method: string;
  budget: number;
  encoders: string[];
  width: number;
  height: number;
  linf: number;
  ssim: number | null;
  seconds: number;
  hidden: boolean | null;
  hidden_unseen: boolean | null;
  per_encoder: EncoderReport[];
  notes: string[];
}

/** Rows of values from 0 to 1. */
export type HeatMap = number[][];

/** Left, top, width and height as fractions of a photo. */
export type Box = [number, number, number, number];

export interface SearchResult {
  rank: number;
  kind: "photo" | "part" | "other";
  box: Box | null;
  mirrored: boolean;
}

export interface Insight {
  encoder: string;
  heat: { before: HeatMap; after: HeatMap };
  search: {
    photos: number;
    rank_before: number;
    rank_after: number;
    before: SearchResult[];
    after: SearchResult[];
  };
}

/** The settings that the form shows. `strength` is a budget; `survive` asks to stay hidden after the checks, too. */
export interface Settings {
  strength: string;
  joint: boolean;
  checks: string[];
  survive: boolean;
  format: string;
  location: boolean;
}

/**
 * How far the upload of a photo is. "busy": the service asked to wait. "offline": the service did not respond.
 * `until` is when the next attempt starts, in ms; `sent` is true once the whole photo has left the browser.
 */
export interface Upload {
  state: "queued" | "sending" | "busy" | "offline" | "failed";
  fraction?: number;
  until?: number;
  problem?: Problem;
  sent?: boolean;
}

/** A photo on the page. `file` is null for photos of an earlier visit; `job` is null until the service has the photo. */
export interface Photo {
  key: number;
  name: string;
  file: File | null;
  fields: [string, string][];
  upload: Upload | null;
  job: Job | null;
  /** Names the upload to the service, so that a repeated upload makes no second job. */
  idempotencyKey?: string;
  /** Ends the upload. */
  abort?: AbortController;
  /** The owner cancelled while the service was still to answer. */
  unwanted?: boolean;
  /** The browser cannot display the photo. */
  unviewable?: boolean;
}

/** What the page shows of a photo's status. `fraction` is drawn as a progress bar; null is one without an end. */
export interface Status {
  icon: string;
  kind: "work" | "good" | "mixed" | "bad" | "off";
  text: string;
  fraction?: number | null;
  /** Wrong options: name and explanation. */
  errors: [string, string][];
  details: string[];
  /** Sending the same photo again would fail again. */
  permanent?: boolean;
}
