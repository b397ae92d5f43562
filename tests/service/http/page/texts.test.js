/** Figures, options, verdicts and deliveries in plain English. */

import assert from "node:assert/strict";
import { test } from "node:test";
import * as texts from "../../../../src/recessive/service/http/page/model/texts.js";
import { entry, report } from "./samples.js";

test("sizes have two digits or more, and a unit", () => {
  const sizes = [
    [0, "0 bytes"],
    [1, "1 byte"],
    [999, "999 bytes"],
    [1000, "1.0 KB"],
    [9_940, "9.9 KB"],
    [12_345, "12 KB"],
    [1_000_000, "1.0 MB"],
    [50_000_000, "50 MB"],
    [3_200_000_000, "3.2 GB"],
    [7e13, "70000 GB"],
  ];
  for (const [bytes, text] of sizes) assert.equal(texts.fileSize(bytes), text);
});

test("sentences begin with a capital letter and end", () => {
  assert.equal(texts.sentence("the queue is full"), "The queue is full.");
  assert.equal(texts.sentence("Really?"), "Really?");
  assert.equal(texts.sentence("Loading …"), "Loading …");
});

test("numbers agree with their nouns", () => {
  assert.equal(texts.plural(1, "photo"), "1 photo");
  assert.equal(texts.plural(0, "photo"), "0 photos");
  assert.equal(texts.plural(1312, "search", "searches"), "1,312 searches");
});

test("lists", () => {
  assert.equal(texts.list([]), "");
  assert.equal(texts.list(["a"]), "a");
  assert.equal(texts.list(["a", "b"]), "a and b");
  assert.equal(texts.list(["a", "b", "c"]), "a, b and c");
});

test("times are told relative to today", () => {
  const at = (day, hour) => new Date(2030, 4, day, hour, 5);
  const now = at(2, 23).getTime();
  assert.equal(texts.when(at(2, 14).toISOString(), now), "at 14:05");
  assert.equal(texts.when(at(3, 0).toISOString(), now), "tomorrow at 00:05");
  assert.equal(texts.when(at(4, 9).toISOString(), now), "on 4 May at 09:05");
});

test("durations", () => {
  assert.equal(texts.duration(0.2), "1 second");
  assert.equal(texts.duration(13.2), "13 seconds");
  assert.equal(texts.duration(150), "3 minutes");
});

test("transforms can follow “after …”; unknown ones keep their names", () => {
  const names = {
    "jpeg:75": "JPEG compression at quality 75",
    "resize:0.5": "shrinking to half its size",
    "resize:0.25": "resizing to 25%",
    "crop:0.9": "cropping to 90%",
    "bit-depth:5": "reducing colours to 5 bits each",
    "blur:1": "blurring by 1 pixel",
    "blur:2": "blurring by 2 pixels",
    "noise:0.1": "adding noise of strength 0.1",
    "swirl:3": "swirl:3",
    swirl: "swirl",
  };
  for (const [name, text] of Object.entries(names)) assert.equal(texts.transformName(name), text);
});

test("formats, encoders and strengths", () => {
  assert.deepEqual(["jpeg", "webp", "HEIF", "avif"].map(texts.formatName), ["JPEG", "WebP", "HEIC", "AVIF"]);
  assert.equal(texts.encoderName("cedd"), "Search by colours");
  assert.equal(texts.encoderName("timm:resnet50"), "timm:resnet50");
  assert.equal(texts.strengthName({ method: "vanish", budget: 4 }), "Gentle");
  assert.equal(texts.strengthName({ method: "vanish", budget: null }), "Balanced");
  assert.equal(texts.strengthName({ method: "vanish", budget: 12 }), "Strength 12");
  assert.equal(texts.strengthName({ method: "joint" }), "Also against details and colours");
  assert.equal(texts.strengthName({ method: "pire", budget: 8 }), "Method pire");
});

test("outcomes in one line", () => {
  const lines = [
    [true, true, "good", "Hidden from every search that was tried"],
    [true, null, "good", "Hidden from every search that was tried"],
    [null, true, "good", "Hidden from every search that was tried"],
    [true, false, "mixed", "Partly hidden: some searches still find it"],
    [false, true, "bad", "Still found by searches it was protected against"],
    [null, false, "bad", "Still found"],
    [null, null, "mixed", "Changed, but not tested with any search"],
  ];
  for (const [hidden, unseen, kind, line] of lines) {
    assert.deepEqual(texts.outcome({ hidden, hidden_unseen: unseen }), { kind, line });
  }
});

test("a verdict tells seen searches from unseen ones", () => {
  const found = { seen: false, hidden: false, rank_after: 1 };
  const verdict = texts.verdict(report([entry("conv-gem"), entry("gist", found)], { hidden_unseen: false }));
  assert.equal(verdict.kind, "mixed");
  assert.equal(verdict.headline, "Hidden from 1 of 2 searches, still found by 1");
  assert.deepEqual(verdict.sentences, [
    "Hidden from the only search it was protected against.",
    "Still found by the only search it was not protected against: Search by layout at position 1.",
  ]);
  assert.equal(verdict.caveat, "Another search engine may still find it.");
});

test("a verdict names the searches that still find it, and their positions", () => {
  const found = (name, rank) => entry(name, { hidden: false, rank_after: rank });
  const sentences = (...entries) => texts.verdict(report(entries, { hidden: false })).sentences;
  assert.deepEqual(sentences(found("cedd", 1), found("gist", 1)), [
    "Still found by all 2 searches it was protected against: Search by colours and Search by layout, each at position 1.",
  ]);
  assert.deepEqual(sentences(found("cedd", 1), found("gist", 2300), entry("conv-gem")), [
    "Still found by 2 of the 3 searches it was protected against: " +
      "Search by colours at position 1 and Search by layout at position 2,300.",
  ]);
});

test("a verdict tells after which changes searches find it again", () => {
  const lost = entry("conv-gem", { survives: { "jpeg:75": true, "crop:0.9": false } });
  const both = entry("conv-hash", { survives: { "jpeg:75": false, "crop:0.9": false } });
  const found = entry("cedd", { hidden: false, rank_after: 1, survives: { "jpeg:75": false, "crop:0.9": false } });
  const { sentences } = texts.verdict(report([lost, both, found], { hidden: false }));
  assert.deepEqual(sentences.slice(1).sort(), [
    "Found again by 1 search after JPEG compression at quality 75.",
    "Found again by 2 searches after cropping to 90%.",
  ]);
});

test("headlines", () => {
  const headline = (...hidden) => texts.verdict(report(hidden.map((yes) => entry("gist", { hidden: yes })))).headline;
  assert.equal(headline(), "No search was tried");
  assert.equal(headline(true), "Hidden from the only search tried");
  assert.equal(headline(true, true), "Hidden from all 2 searches tried");
  assert.equal(headline(false, false), "Still found by all 2 searches tried");
});

test("deliveries", () => {
  const delivery = { to: "https://example.org/in", attempts: 1, error: null, next: null };
  const text = (changes) => texts.deliveryText({ ...delivery, ...changes });
  assert.equal(text({ state: "delivered" }), "Delivered to https://example.org/in.");
  assert.equal(
    text({ state: "held", error: "found by conv-gem" }),
    "Not delivered to https://example.org/in: found by conv-gem",
  );
  assert.equal(
    text({ state: "failed", attempts: 12, error: "410" }),
    "Could not be delivered to https://example.org/in after 12 attempts: 410",
  );
  assert.equal(text({ state: "waiting", attempts: 0 }), "Waiting to be delivered to https://example.org/in.");
  assert.match(
    text({ state: "waiting", attempts: 2, error: "503", next: "2030-01-01T12:00:00Z" }),
    /^Waiting to be delivered to \S+ 2 attempts so far, the next on 1 January at \d\d:00: 503$/,
  );
});
