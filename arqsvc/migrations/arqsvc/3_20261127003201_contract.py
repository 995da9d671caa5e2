from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS "job_owner";
        CREATE TABLE IF NOT EXISTS "project" (
    "name" VARCHAR(64) NOT NULL PRIMARY KEY,
    "jobs_limit" INT,
    "files_limit_bytes" BIGINT,
    "changed_at" TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE "project" IS 'The bounds of one project, where they are not those of the settings.';
        CREATE TABLE IF NOT EXISTS "webhook_delivery" (
    "id" UUID NOT NULL PRIMARY KEY,
    "webhook_id" UUID,
    "project" VARCHAR(64) NOT NULL,
    "url" VARCHAR(2048),
    "lane" VARCHAR(255) NOT NULL,
    "job_id" UUID,
    "type" VARCHAR(64) NOT NULL,
    "body" JSONB NOT NULL,
    "state" VARCHAR(16) NOT NULL,
    "tries" SMALLINT NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ,
    "log" JSONB,
    "created_at" TIMESTAMPTZ NOT NULL,
    "finished_at" TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS "webhook_delivery_project" ON "webhook_delivery" ("project", "id");
CREATE INDEX IF NOT EXISTS "webhook_delivery_pending" ON "webhook_delivery" ("lane", "due_at") WHERE state = 'pending';
COMMENT ON TABLE "webhook_delivery" IS 'One message to one address.';
        CREATE TABLE IF NOT EXISTS "webhook" (
    "id" UUID NOT NULL PRIMARY KEY,
    "project" VARCHAR(64) NOT NULL,
    "url" VARCHAR(2048) NOT NULL,
    "types" JSONB NOT NULL,
    "secret" VARCHAR(100) NOT NULL,
    "old_secret" VARCHAR(100),
    "old_until" TIMESTAMPTZ,
    "failing_since" TIMESTAMPTZ,
    "disabled_at" TIMESTAMPTZ,
    "disabled_reason" VARCHAR(255),
    "created_at" TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS "webhook_project" ON "webhook" ("project", "id");
COMMENT ON TABLE "webhook" IS 'An address of a project, with the secret that signs what is sent there.';
        CREATE TABLE IF NOT EXISTS "webhook_secret" (
    "project" VARCHAR(64) NOT NULL PRIMARY KEY,
    "secret" VARCHAR(100) NOT NULL,
    "old_secret" VARCHAR(100),
    "old_until" TIMESTAMPTZ
);
COMMENT ON TABLE "webhook_secret" IS 'What signs for the webhooks that jobs of a project carry themselves.';
        CREATE TABLE IF NOT EXISTS "audit" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "at" TIMESTAMPTZ NOT NULL,
    "project" VARCHAR(64) NOT NULL,
    "actor" VARCHAR(100) NOT NULL,
    "key_id" UUID,
    "action" VARCHAR(64) NOT NULL,
    "target" VARCHAR(255),
    "detail" JSONB
);
CREATE INDEX IF NOT EXISTS "audit_project" ON "audit" ("project", "id");
COMMENT ON TABLE "audit" IS 'One thing that somebody did.';
        CREATE TABLE IF NOT EXISTS "idempotency" (
    "digest" VARCHAR(64) NOT NULL PRIMARY KEY,
    "fingerprint" VARCHAR(64) NOT NULL,
    "status" SMALLINT,
    "headers" JSONB,
    "body" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "held_until" TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS "idempotency_age" ON "idempotency" ("created_at");
COMMENT ON TABLE "idempotency" IS 'The first answer to a key; without a status while that is being made.';
        CREATE TABLE IF NOT EXISTS "job_log" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "attempt" INT NOT NULL,
    "n" INT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "level" VARCHAR(16) NOT NULL,
    "message" TEXT NOT NULL,
    "job_id" UUID NOT NULL,
    CONSTRAINT "uid_job_log_job_id_ccfd84" UNIQUE ("job_id", "attempt", "n")
);
COMMENT ON TABLE "job_log" IS 'One line that an attempt of a job logged; `n` counts from 1.';
        ALTER TABLE "job_event" ADD "tx" BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint;
        ALTER TABLE "job" RENAME COLUMN "owner" TO "project";
        ALTER TABLE "job" ADD "cancel_grace_s" DOUBLE PRECISION;
        ALTER TABLE "job" ADD "submitted_by" VARCHAR(100);
        ALTER TABLE "job" ADD "trace" VARCHAR(55);
        ALTER TABLE "job" ADD "parent_id" UUID;
        ALTER TABLE "job" ADD "webhook" JSONB;
        ALTER TABLE "job" ADD "tags" JSONB;
        ALTER TABLE "job" ADD "dedupe" VARCHAR(255);
        ALTER TABLE "job" ADD "pinned" BOOL NOT NULL DEFAULT False;
        ALTER TABLE "worker" ADD "wish" VARCHAR(16);
        ALTER TABLE "worker" ADD "slots" JSONB;
        ALTER TABLE "file" RENAME COLUMN "owner" TO "project";
        ALTER TABLE "api_key" RENAME COLUMN "owner" TO "project";
        ALTER TABLE "api_key" ADD "prefix" VARCHAR(16) NOT NULL DEFAULT '';
        ALTER TABLE "api_key" ALTER "prefix" DROP DEFAULT;
        ALTER TABLE "api_key" ADD "used_at" TIMESTAMPTZ;
        ALTER TABLE "api_key" ADD "scopes" JSONB NOT NULL DEFAULT '["cancel", "operate", "read", "submit"]';
        ALTER TABLE "api_key" ALTER "scopes" DROP DEFAULT;
        UPDATE "api_key" SET "scopes" = '["admin", "cancel", "operate", "read", "submit"]'
            WHERE "name" = 'command line' AND "project" = 'default' AND "kind" = 'key';
        ALTER TABLE "api_key" ADD "per_minute" INT;
        CREATE TABLE IF NOT EXISTS "turn" (
    "queue" VARCHAR(64) NOT NULL PRIMARY KEY,
    "at" DOUBLE PRECISION NOT NULL
);
COMMENT ON TABLE "turn" IS 'How far a queue has come: the furthest turn that has begun; see `places.py`.';
        INSERT INTO "turn" ("queue", "at")
            SELECT "queue", coalesce(max("at") FILTER (WHERE "state" = 'running'), min("at"))
            FROM (SELECT "queue", "state", "place" + 60 * "priority" AS "at" FROM "job"
                WHERE "state" NOT IN ('succeeded', 'failed', 'cancelled') AND "place" IS NOT NULL) "open"
            GROUP BY "queue";
        CREATE INDEX IF NOT EXISTS "job_place" ON "job" ("queue", "priority", "place") WHERE state = 'queued';
        CREATE INDEX IF NOT EXISTS "job_last" ON "job" ("queue", "project", "priority", "place") WHERE state = 'queued';
        CREATE INDEX IF NOT EXISTS "file_usage" ON "file" ("project", "size_bytes");
        CREATE INDEX IF NOT EXISTS "job_event_order" ON "job_event" ("tx", "id");
        CREATE INDEX IF NOT EXISTS "job_failed" ON "job" ("project", "id") WHERE state = 'failed';
        CREATE INDEX IF NOT EXISTS "job_dedupe" ON "job" ("project", "dedupe", "state", "finished_at")
            WHERE "dedupe" IS NOT NULL;
        CREATE INDEX IF NOT EXISTS "job_tags" ON "job" USING GIN ("tags") WHERE "tags" IS NOT NULL;
        CREATE INDEX IF NOT EXISTS "job_project" ON "job" ("project", "id");
        CREATE INDEX IF NOT EXISTS "job_succeeded" ON "job" ("kind", "id") WHERE state = 'succeeded';"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS "turn";
        UPDATE "job" SET "place" = extract(epoch FROM "queued_at") - 60 * "priority"
            WHERE "state" NOT IN ('succeeded', 'failed', 'cancelled');
        DROP INDEX IF EXISTS "job_last";
        DROP INDEX IF EXISTS "job_place";
        DROP INDEX IF EXISTS "file_usage";
        DROP INDEX IF EXISTS "job_event_order";
        DROP INDEX IF EXISTS "job_succeeded";
        DROP INDEX IF EXISTS "job_project";
        DROP INDEX IF EXISTS "job_tags";
        DROP INDEX IF EXISTS "job_dedupe";
        DROP INDEX IF EXISTS "job_failed";
        ALTER TABLE "job" RENAME COLUMN "project" TO "owner";
        ALTER TABLE "job" DROP COLUMN "cancel_grace_s";
        ALTER TABLE "job" DROP COLUMN "submitted_by";
        ALTER TABLE "job" DROP COLUMN "trace";
        ALTER TABLE "job" DROP COLUMN "parent_id";
        ALTER TABLE "job" DROP COLUMN "webhook";
        ALTER TABLE "job" DROP COLUMN "tags";
        ALTER TABLE "job" DROP COLUMN "dedupe";
        ALTER TABLE "job" DROP COLUMN "pinned";
        ALTER TABLE "api_key" RENAME COLUMN "project" TO "owner";
        ALTER TABLE "api_key" DROP COLUMN "prefix";
        ALTER TABLE "api_key" DROP COLUMN "used_at";
        ALTER TABLE "api_key" DROP COLUMN "scopes";
        ALTER TABLE "api_key" DROP COLUMN "per_minute";
        ALTER TABLE "file" RENAME COLUMN "project" TO "owner";
        ALTER TABLE "job_event" DROP COLUMN "tx";
        ALTER TABLE "worker" DROP COLUMN "wish";
        ALTER TABLE "worker" DROP COLUMN "slots";
        DROP TABLE IF EXISTS "job_log";
        DROP TABLE IF EXISTS "audit";
        DROP TABLE IF EXISTS "webhook";
        DROP TABLE IF EXISTS "idempotency";
        DROP TABLE IF EXISTS "project";
        DROP TABLE IF EXISTS "webhook_delivery";
        DROP TABLE IF EXISTS "webhook_secret";
        CREATE INDEX IF NOT EXISTS "job_owner" ON "job" ("owner", "id");"""


MODELS_STATE = (
    "eJztXW1z2zYS/isYfXEyo8s4juOkzvVmZFtJ1Dh26pdLr3WHgUhIYk0BDAlG9vXy3w8AKf"
    "ENpECJsikGX9qYxBLUs+Bi98Fi8XcHel/9b+azHqVo6tILZBLP6hyCvzsYThH7h7xBl113"
    "3fg2v0Dh0Aklwqai0dCnHjQpuzyCjo/YJQv5pme71CaYNz7HCEQCgIwABH+RYRfMPJtdw2"
    "A2Yf+xKZhAHyBsIesNoBMECBOiE0iBF2Af+BRiywc2FveY/I4PPDJ7xl/AIiZ7AxuPH6Cv"
    "ANtfA2RQMkbspsd6/OOPDmvC7+FgOmSX/vyT/dtmD79DPr/P/3RvjZGNnDTqtsBYXDfovS"
    "uuHdnjAaZvRVv+04aGSZxgiuP27j2dELwQsLFQwhhh5EGKeA/UC5B4HceJ1DXXS/j2cZPw"
    "LRMyFhrBwOGq5NLhC8TXOoZxdn5lXPavDKOTU/NcIqGN6JJJMB8i7FV9AcCYv8I/ftrbe/"
    "Hi1d7ui4PXL/dfvXr5evc1ayveN3/r1ffwZWK0wkcJzAbvBmdX/IUIG4fh+OQXvgsZSGEo"
    "JZQRox9pK6eBQvhjgeUqmANepoP5hVgJ8efzcFrYe77/av/1i4P9BfiLK2WYz/GN8ZwR71"
    "aG5/EEenJAY4kMoOw1txHQKbwzHITHdML+fL73ugS+f/cujt/3Lp6wVk/TA/csurUX3ktj"
    "zCyTx/AwIM3jfMKQovYUybFOS2bwtiLRZ/N/bCH6JWBfDT72L696Hz/xx099/6sj8Opd9f"
    "mdPXH1PnP1yUFGL4uHgM+Dq/eA/wl+Pz/rCziJT8ee6DFud/V7h78TDCgxMJkZ0EpiMr88"
    "v5RS88jGtj9ZSc8Z0RoUHc0MWs/165kE1CShElRtZkJkJaPZMG1mbOaBisnMaixhMQ+yBh"
    "N5HpHMSb9cnp/J8V0IZL8c26Tgf8CxfZW5vmEol6DKkUh9LnM0n3zs/ZYF+vj0/Cj7HfAH"
    "HGVQ5+EAGkLzNo/8FborcK9SQm0Y22WWqv/bVTnqC0N1en72bt48q4o06i6Ct8YUTYl3bw"
    "zvKeuuUnQhFV/J022YHh4y3Ii1YbqBIdHAW4fAAgUsJDKgj7jI9sFeguDJ+fXRaR98uugf"
    "Dy4HkQFazMziJr/ELthUQHDR751m8GUxtyELoK+vBydyfGOJDMBBYFvPuFy73F5hT16Es2"
    "XSYotf+v07pyVGt9LQOOIzMiOXeMge4w/oXsA7wJwmMWWeSMQm/UKGMZO0nbDGVxMv4MHZ"
    "gsxJDCoGgIUcFA7Y497lce+k3xEo80ltBj3LSMHN75A9krmyaJu/Nd2bZq9ADMcCHP4rhB"
    "caQt//hnAJz5e83S1j+fivQ7yxOs9nTiAeowX1tiPoNIregC8++voFmCRgEIORR6bgOZjZ"
    "bOAElDUdQ1fO5a3xvBt8g3uOEz3CF89gf7Kn+AB6aE7wMRSQx29+oXddYFtfDgFhAxtgwk"
    "wqxD77yez3AeLwZpQ9izf8Amz2QBfhLmvHX5M55T4YohH7SpYShezNcyzh351Ytx16x5ux"
    "ccUboTuXfbk+e4eF4pNGUOjHED9C6C76CDtCkv0A8cd3TUI2koQMFa2Oftj+kfnHy6/OSf"
    "jXk50n7tgwA8/jY/COfSnMGD55enhI2dBj/xvaY/ZyO0+3RE8Joo19oTnFFGolaq1pYQmS"
    "1SksTVFuAXUlJmE5cdXHwTTnImbJaLo6hfVAau0cnZ4ff+ifHIKhQ8xbZN3gy+P3/ZPrU3"
    "7NNyfIChx+9dfr/jW/xF4m4H9fXJ+dDc7eHfLFRMzGA5O7Pj7u90+EXGCaCFm83dveQDxq"
    "BG3xnOPe2XH/VFwyOWwOu5p1iR6HRfMQ9BkmUm3Lv+FYog1MThrfg30FfA/2C/Hlt7I2cr"
    "GYrjjjJCT0rCOZdSzmelefeWIpvW7S5MlHs/pLNLoRVl8zbppx04xbAeMWQy/h21J6KWXb"
    "1Hk2kdYGfZ7MFuaryekzeTMJOVVGR7ke+QuZVJ2TSggU8FHcsCR6CH3naPJV6yMUKewCfH"
    "7fv+iHZCH4GeyEzXdyPUdzvkKHC5dfuc+FRL5bx57aNFztcSD7phX6j8IQ5d6j9vm+o7wr"
    "hS6jCEa5y6h9vstbNrQE88kiBqSkXt6ylq4rD94wHlPuOGxe/JPVOl3EheqDay5R+pPZ/c"
    "BVGl5RyyXd30RPvOmAwSVghh+cXZ+e5t6AwrGv0qlol+jy3eBM3itvmO2zEqdd7KXU76Es"
    "J7Y7/xwFOFxXED3x/+z/q9M4l6Vbwl0nRpkqLZAQaTL10xhiYG5DVPGdt28huM93d1Vord"
    "3dYl6L30vjK5yCKgAvBFqIcP3DV5PEmiTWJHFNH5MLPTiVZJQVs16xxFq0V9Os1kPzXuwW"
    "f/8KwMcSmm9cHXfN8j4G6sxF57erGZqEjMZ+deyZu2DeuiRawlNFPy2l8V9n7NvEs+l9Hv"
    "3LKXSc4tT5hNzjLse+XMN/CZdgX+y9OlisvvI/yhZeLz/2Tk/zq698hZQEtGL+e0pK58Ar"
    "5MBHbGoFlzuWaJ/LvffypYLPzVoVOt3iXhrimKdXNccJZl+b4jW2kNmyDUzldngh1KacmD"
    "oMMmcPAq86oEm5x8V0txE4OsT3q6MYS2kMtzrZbX0A60tws30XUnNSAcakiMZxexP9G4Te"
    "g9d8aZhX9AAlX0wPwdVKvqQl9X6KRqe0phKgqmg5JajTlpus4zDTK6ffEkpkIaHpEAU6RC"
    "f9t/nraVDtM63ljWk5ivVW0nNWVmu6yZrWRe5+DD2HaUqGhxiy/oqRjPwRWu9bofeqaWE5"
    "wfYxBRtZqopwG/M6elVLj+VEdcChEHDMdy+oLg3O2+uFwdUXBuNtKqr2JJbQhkTJkMzQcE"
    "KIpHhn8chOiOjBvUYCEhSFlKrtX0oJrbGNaXuwX7ppKcEaBMMpP/rBMoaStK6SRJmMXPtM"
    "x0Y21Lg2xrKMpCNCHARxwQBeCGVQHjKph1yXiFvVPWKPzs9PU9biaJCt6Hv98ajP8H6a9j"
    "rCNbdc5YDiTe45KkVWBjiSfPvhAjlQ/Mw8+EVnwmznIlGqrgD/LtOp5ryG4ppAZYpqthEm"
    "h4zXw+iUjNuNEEbIWnMcnbFHtB+kgglZA5WmSB1pFfcKIL1lj1AGqWH+SiFGfPbbVCGX2E"
    "RJCrmk7Fd52eTIVqoVc3Hs+QFkEOdOLwPsUWN+UtkXnKl3LC/5ss7DyqoWJ9LwsD7krEl1"
    "a4trNGxxsmVDKwtKqOziE+M0iroq8I+05uOwQMqpQrMsBJpc5GFVgqX2EgtT5PvMa8kDXH"
    "yqUkKkFRCXfS2bOFRJF71ck4zNUVe66GVril4mInBJsJSOz8ujJU4JqIdLPI6JAhzCwxQg"
    "aJdDXuRyGvh0Xj8nOo4lPORFtBuisY2LK2Wu/dDS06HD8n6l575EzIhayUDe2MDlRQP1wS"
    "8NDcz0vFLjIl/82VTAMyWkIdVT9WpkZNWZOj9uNbBKwKa+1yZ5Qb/yHVjFblDydqkftKgt"
    "udwJ6oV1BEN/xfYB81i6gHhgBsW/AXRm8N7vigPq8t5OZenl5cILvQzx/9wALyYE5u3rCV"
    "Yf19HYSEHAYpdiSqyVi23OZZvMEXTOP/XPDsWovMGfeteXvAimCwOf18U8uegNwoKaFtdA"
    "VDn88Smb8OzJlZLeU5Ka+Gwc8VkhKWeT088F03jx7JO4Wzr5eFGxXZW5R1Q44iuKYmOdz8"
    "9RhYAPwkMwm/ATUcOlR55Uw75Pkz2DB8uYBaWhBJiRwOGBNLACJJue6u9Az2CNyjUunsS4"
    "ElcwlgkxbSm1pZRbys+i9kixrUzdL7WWcRUT1fyObwiEQsD1iIl8/w0zadEV4Yf7lLjC0o"
    "XHUYfRDT+3xwcemRVletTx2DVso4xxKbaMUqpl++1ijWVfiu3ihPiVTtqYt2+yQ//481Ay"
    "cV0ylIsLvqqS4dsAbs2pHYJbqLQtLpbQderXqR5NcHgSuylJrC0cyhkpPaRlReKaU3qkaV"
    "Bvu2uaVPMEMWUNEVwlAMnKalU3WtUz25eUziwpWxi1b+E2wFooz4ZEeIndDpL4Lr0Xoji6"
    "49suVLkw3gWA2GJhV3S4HRgRD/iEXWaxl4cswOCnCNM3IHAdAi1kicUWNxg6oogNGN6Hqf"
    "kyJqzux5cmqHC0StNT/Ance3mwLDeFw2dEbyVwrSExRZ/eqE9v3JIFuqYwx40CdyMx+xRZ"
    "NgxhqoByWqqFWG9kY79v/xcZw3sq3Y9YkjWYlmtTdPkgCYSps1743FthoMcSLRzk9VtrXW"
    "h7FQ9k6yK/R0q8bVgM2JIk0WaiunaO6OMEz59C9744fk436JaF0IlQYXkUfTVBYEgCbPk8"
    "54NgNI91uzzdI9xrwYJY9g+encjGjI94Q57z4SNKmUYkWzrqeqjOHGnOZF26ncI3RNpQha"
    "WPtNBKvmnDDFDdCx+iAEkI0SrOv1S8RTg/cAigc0lb66E2hD8/QTylyLsv9gEyLUqdgKgo"
    "KPdwhIyaN8ATm6Jd64ASMXMz8DjZLE+CKmm7fO5O0dsJp2X5DszsjzMS0gWMN/+WE91FB4"
    "9U7gdhK0pvl/YDPr/vX/R5IixF4GewE7Xf0Yz7IzPuc01WQzstpSPQ3Gn1ehVjs7yYJkzq"
    "G65V1ypavEpR/0AdEkuS+Facdjhvr5MO10g6FG5GpVWJuUALx3T92we3+Rj0Zhw3rQ8FbF"
    "usvLQidbHJj5rrIyrWyDLXy6Q/woelT+drr54bQjZ+DpmNkv2YqQZdBapRjWHs4TlLGJbF"
    "jhcGbTqJVgCZsaLRDkp7jH0wi2ql+Ajz68iTbVyv77kPwVwuJyw1YahTdJsUX9XPGQRepX"
    "LFUfMWQru3u6+yi5k3K07RFTfzjFe1MxLnApqWWYeWERNNJV5mIdHC0b2RlGjCHlQd57RU"
    "C/eTbQrqAFNbYqzLY5GUoI5EmhaJpIg62+cgrxJxZkS1nrdCz9VPBpeIts+AbuZscM3atf"
    "Xbagib0wssuyR3PHm7W8bkQN5Qjcc5F+ecMd1GhAqZIr6mCywW7+fImWWNN8m4iN9UN9+i"
    "a/Xzew9ziFpVo6mNZUONpc4de1B6jZlv4lUBeCHQQng3EhnfovuK2XmxhM7Oy41Wu1pAEk"
    "u0cLzWbw4o9MbV2LJYQgd6SoGehSiU0WTFhHssodNiqhHuDYm8BhaauoTyCo7F8Ve+Ubcs"
    "CrPj5mqxGN9uO7I9nxdm92e8+jABELC55o1Y/SYBuyH2pAR8zdt24tNHhogHZVNoSVbUa3"
    "tqxeguQXosCe0SQBnROZtVgzvLHqNqxX1jCb1VuGDSKY7mRuxlkOd6UTisinlGTM/3CvN9"
    "+GXmUS5PX46lWrRVuI5U5gli5syrtJqeENGz++rL6fKtJcWnLhdsLdlKp7WM8tnEict6qW"
    "IlVWwD+9YQh/kDKnGU45ulDjJ0bYP5oeoLFWHOx6E4eSP033ghGl51xuYOa1dUeQ2zQYUD"
    "OybE4rVe5SsZaz2t5gM/dOKnTvzcOtdU12bdMC/Nfpoc3+WHUc5lm4x150P/P4ecibjBzF"
    "P/cMgcaXx7gy/7l5eD87NDZqAFX5A13kr6qH0XqW+Silm4sYROw10jbtDUzkaNuOuhkX1X"
    "bZqcSzTZuKxqyGs3HC7yjKmNA9kW/+LDsVJCLeJwaiurp0PcVSz0VoS4STWjO9dmj1tBzW"
    "lJnc/cZC3z88dXUHFCTOu3afptCFF1QmaYn+lTUo4x3aJbRllZUVt1zgqaZhjGiANk2YUR"
    "8aaQdsEIUZOfLURY+PYGzDybUoTF2dyCkYoO/wETyBdi2cVvyLPZb7bCo4ws4rKBLCe2Nt"
    "+l9AikRbfiMxZd5o5C0tm5zczOTalOOXErIdTCUGBfhdLZL2Z09nOETvRRVMA4lmghwBsg"
    "afQBLxvORtBHGD1u/XLNuW8299MTTqBkdBcO7YREm8Z1bURNqC9j6FazGCmxNgH7wAbD9c"
    "g3hOdrRKprF2kpvX6xxvqFh3gt0W8rERxZWU1WapqjYOswC9XNSUe2azi80y3NxInbLCM1"
    "ihVbc0rMjxL6rznRFgf135BXNaRPiGiHUc1h5B9VBYSj5i1EdyMpMIkj0FVdl4SI9lu2aT"
    "fW9/8D9CEC+w=="
)
