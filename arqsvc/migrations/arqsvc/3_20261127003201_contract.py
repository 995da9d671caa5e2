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
        COMMENT ON COLUMN "api_key"."kind" IS 'KEY: key\nLINK: link\nSESSION: session\nTICKET: ticket';
        CREATE INDEX IF NOT EXISTS "job_place" ON "job" ("queue", "priority", "place") WHERE state = 'queued';
        CREATE INDEX IF NOT EXISTS "job_last" ON "job" ("queue", "project", "priority", "place") WHERE state = 'queued';
        CREATE INDEX IF NOT EXISTS "file_usage" ON "file" ("project", "size_bytes");
        CREATE INDEX IF NOT EXISTS "job_event_order" ON "job_event" ("tx", "id");
        CREATE INDEX IF NOT EXISTS "job_failed" ON "job" ("project", "id") WHERE state = 'failed';
        CREATE INDEX IF NOT EXISTS "job_dedupe" ON "job" ("project", "dedupe", "state", "finished_at")
            WHERE "dedupe" IS NOT NULL;
        CREATE INDEX IF NOT EXISTS "job_tags" ON "job" USING GIN ("tags") WHERE "tags" IS NOT NULL;
        CREATE INDEX IF NOT EXISTS "job_project" ON "job" ("project", "id");
        CREATE INDEX IF NOT EXISTS "job_waiting" ON "job" ("project") WHERE state IN ('blocked', 'scheduled');
        ALTER TABLE "job_need" DROP CONSTRAINT IF EXISTS "job_need_needed_id_fkey";
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
        DROP INDEX IF EXISTS "job_waiting";
        DROP INDEX IF EXISTS "job_project";
        DELETE FROM "job_need" WHERE NOT EXISTS (SELECT FROM "job" WHERE "job"."id" = "job_need"."needed_id");
        ALTER TABLE "job_need" ADD CONSTRAINT "job_need_needed_id_fkey"
            FOREIGN KEY ("needed_id") REFERENCES "job" ("id") ON DELETE CASCADE;
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
    "eJztXW1z27gR/isYfUluRs04juOkTq8zsq0kuih2zi/N9c4dGSIhiWcKYAjSsnvNfy8AUn"
    "wFaVCibIrBl8QisQD5LLjAPlgs/upA9xu9NV70PA/NHe8MGcQ1Owfgrw6Gc8T+kBfosuuO"
    "E9/mFzw4tgOJoKgoNKaeCw2PXZ5AmyJ2yUTUcC3HswjmhU8xAqEAIBMAwZ9k3AUL12LXMF"
    "jM2D+WB2aQAoRNZL4D3gwBwoS8GfSA62MKqAexSYGFxT0m/4wClyxe8AcwicGewMLTR2jL"
    "x9Y3H408MkXspsta/OOPDivC72F/PmaX/vMf9rfFKr9DlN/nP52b0cRCdhp1S2Asro+8e0"
    "dcO7SmA+y9F2X5q41HBrH9OY7LO/fejOBIwMJCCVOEkQs9xFvwXB+Jx7HtUF1LvQRPHxcJ"
    "njIhY6IJ9G2uSi4dPEB8rTManZxejM77F6NRJ6fmpURCG+Elg2DeRdijUgHAlD/C3/6+u/"
    "vq1ZvdnVf7b1/vvXnz+u3OW1ZWPG/+1pvvwcPEaAVVCcwGHwYnF/yBCOuHQf/kF74LGejB"
    "QEooI0Y/1FZOA4XwxwIPq2AJeJkOlhdiJcSfz+NpYffl3pu9t6/29yLwoytlmC/xjfFcEP"
    "dGhufRDLpyQGOJDKDsMbcR0Dm8G9kIT70Z+/ly920JfP/qnR197J09Z6V+Snfck/DWbnAv"
    "jTGzTC7DYwS9PM7HDCnPmiM51mnJDN5mKPpi+ccWol8C9sXgc//8ovf5C69+Tuk3W+DVu+"
    "jzO7vi6n3m6vP9jF6iSsDXwcVHwH+C309P+gJOQr2pK1qMy1383uHPBH2PjDBZjKCZxGR5"
    "eXkppeaJhS06W0nPGdEaFB2ODFrP9euZ+J5BAiWo2syEyEpGs2HazNjMfRWTmdVYwmLuZw"
    "0mcl0iGZN+OT89keMbCWS/HMvwwP+AbVGVsb5hKJegypFIfS5LNJ9/7v2WBfpoeHqY/Q54"
    "BYcZ1Lk7gMbQuMkjf4HuCqZXKaE29O0yS9X/7aIc9chQDU9PPiyLZ1WRRt1B8GY0R3Pi3o"
    "/G9x5rrpJ3IRVfaabbMD08prsRa8Nw/JFEA+9tAgsUEElkQJ9wke2DvQTB49PLw2EffDnr"
    "Hw3OB6EBikZmcZNfYhcsT0Bw1u8NM/gyn3skc6AvLwfHcnxjiQzAvm+ZL7hcu6a9wp68Ck"
    "bLpMUWb/r9O6clJjdS1zjkMzI9l7jImuJP6F7AO8CcJjFkM5GQTfqFjGMmaTthja8mHsCF"
    "i4jMSXQqBoCJbBR02KPe+VHvuN8RKPNBbQFdc5SCm98huyRzJSqbvzXfnWevQAynAhz+Fm"
    "IWGkDfv0W4hOdL3u6WsXz87RAvrM7zGTOIpyii3p4JOs1D78A1Rd+ugUF8BjGYuGQOXoKF"
    "xTqO77GiU+jIubw16rvCV7hn22EVVNTBfrJaKJjBWxRQf66JXHDt3XWBZV4fAML6NMCEWV"
    "OIKXtb9mqA2LyMx6rhBa+BxepyEO6ycvwJ2XycgjGasA8EWN6DNCF77hxH+Fcn1mzHu+PF"
    "WK/ihdCdw75byh4jUnvSBArtjMRLCM2Fn2BHSLJ3ED++awqykRRkoGh19IPyT8w+nn+zj4"
    "Nfz589d6Yjw3dd3gfv2MfCTOHznw4OPNb12H9ja8oe7tlPW6KnBM3GvtCcYgq1EpbWpLAE"
    "yeoEliYot4C4EkOwnLbqY3+emyBmqWhvdQLrkdTaORyeHn3qHx+AsU2MG2Re4fOjj/3jyy"
    "G/Ro0ZMn2bX/31sn/JL7GH8fnvs8uTk8HJhwO+lIhZf2Byl0dH/f6xkPMNAyGTl3vfG4iq"
    "JtAS9Rz1To76Q3HJ4LDZ7Gp2QvQ0HJqLIGWYSLUt/4ZjiTbwOGl89/cU8N3fK8SX38rayG"
    "gpXXHESUjoUUcy6phs6l195Iml9KpJkwcfzek/oNGNcPqab9N8m+bbCvi2GHoJ25bSSynX"
    "ps6yiaA2SHkoWxCtJifP5MUk5FQZHeW45E9keOqcVEKggI/ihiXRQjB3DgdftTYCkcImwN"
    "eP/bN+QBWCn8GzoPgzecvik3It4lrevfjbhuw7U3lRUbDGZ4hwW+lxbEiLQVd9mnAWpNBc"
    "5AQptxlJ5Ju1rbnl0UqvGzpmyq2H5fNth3FoCk2GPp1yk2H5fJM37GMTXDDzoZBSh+cla2"
    "m68ucceKjKDQfFi19ZrdHIU1bvXEuJ0ldm931HfG0JDiMOmVJ4sriGsse6Clu66oDBOWBD"
    "JDi5HA5zT+bBKVVpVJRLNPlhcCJvlRfMtlmJ/S+ez9U/l3t4CaDzj4mPg0UY0RL/Z++fnc"
    "ZN7rolLH+i96kSKMmRoMEkWWMolKVtUcV3Wb6F4L7c2VEhAHd2ihlAfi+NbzRFUQU4ntO0"
    "D+H6u6+m0zWdrun0mj4mB7pwLom8K+YHY4m1CMKmWa3HZgjZLf78FYCPJTQzuzrumg9/Ct"
    "TZFJ3frmZoEjIa+9WxZ9MF48Yh4WKnKvppKY3/On0/ZifT6J/PoW0XbzFIsppPunD9eo35"
    "S7BY/Wr3zX60Ts1/lC1Rn3/uDYf5dWq+lkx8r+I+gZSU3iugsFcgZFkrTLljifZNuXdfv1"
    "aYc7NShZNucS8Ncczfq5rjBOOvTfEaW+0s2UavcjscCbUpeqgOg8zZA9+tDmhS7mkx3WkE"
    "jjahtDqKsZTGcKvDAtcHsL5QQIs60DNmFWBMimgct3dLRIPQe/TcOA2bFT1CahzDRXC11D"
    "hpSb3zpNHBv6lQsSpaTgnqAO8m6zgKq1OmRCIJTYco0CF6e0Sbv54G5YjTWt6YlkNfbyU9"
    "Z2W1ppusaZ0M8MfQcxCmNHIRQ5au6MnIq9B63wq9Vw0Lywm2jynYyFJViNuU5xusmqItJ6"
    "odDgWHY7l7QXVpcFleLwyuvjAYb1NRtSexhDYkSoZkgcYzQiRJTot7dkJEd+41ApCgSDlV"
    "bf9SSmiNbUzbg/2Dm5YSrIE/nvMjMszRWBLWVRIok5Frn+nYyIYakey4Cs6RQPsAVjLNJZ"
    "Y5b5gdC2NZvNchITaCuMA8REIZiMdM6jFXfeJSdduDw9PTYcoWHw6yeaUvPx/2WW/+KT2n"
    "C1Y0+T7SXEoFebKFHFElS0YdSr7/dIZsKF4zD37RyUTbuQSXym/BP8p0ID/P5bkmUJnUrm"
    "2EySbT9TAakmm7EcIImWv2oxNWRftBKpjuaKDSBLQtPUugAkjvWRXKIDVsslKIER/9NpVQ"
    "KDZRkoRCKftVnrw7tJVqSYVsa3kMHsS5M/QAq2rKz8u7xpms2/LUQ+tUVpY9OxHkiPVRe0"
    "3Kn1ycAWOLQ1kbmuFSslBQfG6hRlFnp/6RVtRs5kjZVciVSKDJKTRWpa9qT2AxR5SyWUse"
    "4OKzvRIirYC47GvZxNFeOvnqmlR3jrrSyVdbk3w14YFLnKW0f17uLXFKQN1d4n5M6OAQ7q"
    "YAQbsc8GSrc596y+xEy5OBxGFDotwYTS1cnLF17UpLzygPkiqWnj8UMiNqiRp54REuT9Wo"
    "DyBqqGOmx5Ual1Djz6YCnikhDakeqlcjI6uO1Pl+q4FVAjb1vTZpFvQr399WPA1K3i6dB0"
    "WZOx+eBPWCLI3BfMWigM1YuoC4YAHF3wDaC3hPu+KsxPxsp7L0w2nrC2cZ4v9cBy8mBJbl"
    "63FWn3aisZF0i8VTijkxV05lupRtMkfQOf3SPzkQvfIKf+ldnvMUow70Kc86enzWGwTpSk"
    "2ugTBf+9NTNsEJqCttKUhJauKzccRnhaCcTQ4/Z0zjxaNP4m7p4OOGqYxVxh6RP4qvKIpt"
    "ixRYGEDAO+EBWMz44bzB0iMPqmHfp8Hq4M4yZk5pIAEWxLe5Iw1MH8mGp/ob0CNYoyK5iw"
    "cxrsQVjGVCTFtKbSnllvLCd3GxpUzcLbWUHiunZik/kgW75TLbFcy3Z2x+zY8sPxDmauK7"
    "7D/qAV5hMBfnBcZo6uN3gCIErkVyBfrCub/OW8m6K1/DQj71GQUNspGbn+XLbGPJvjmpTV"
    "TdK7dFdnDVzXINMU1fRdKpYuOUul9qnuL0VaqhZ7cIBELAcQkzCfQdMyrhFWE5qEccMQlj"
    "jbNrAfHCj7ajwCWLoiC0OqpdwyjJyOBiiyRlgbffHNWY76vYIs0IrXTE0rJ8k7mGp58iJ/"
    "fUSLpycaZv1XW6bQC35qgzMe+otB86ltAHlKyxa5TapFqK6khA79Vd47AGgg3fdRE2JDst"
    "Cg1IRkobEllO1uZk+moa1NvOVSTVPENMWWMEV2GksrJa1Y1W9cKikkzVJVmCw/Lt2xRezx"
    "pYQ/zqxPY3iVed3hxX7FPzfXiqiyO8CQCxyZzd8CxZMCEuoIRdZh6vi0zA4PcQ9t4B37EJ"
    "NJEpVt8df2yLnHFgfB/s1ZItjdRdfWnEIkerNF6RzuDu6/2HghU5fKPwqQSu8kjF4qOjqf"
    "VfNBrfe+jBE5tFU/4y4r2OkEh9KrM+lXlLSOOmrFk2CtyNUDJzZFowgKkCymmpFmK9kYQ9"
    "CeOfw7osXj0t1yY39lFC11NnuPFBvkJHjyVa2Mnrt9b6AI1VZiBb52I+0ZaPhjmbLdme0E"
    "xU196d8DRe+pdgel/sqKcLdMt89YSr8LC7fjFDYEx8bFIebUgwWjrVXR5oGOzyY94y+4PH"
    "xbM+QxEvyCNsKPI8phHJZsK6KtUxi80ZrEs38tGRCFitsMaSFlppbtowA1T3CotIfRVAtM"
    "rkXyreIpwf2QXQuxhaO0NtCFF/jHjEmHtfPAfIlCidBITJvvkMR8iozQZ43FqYLwV4RIzc"
    "DDxONctj3ErKPjx2F3HdD+/9z77cKCGtRq3bEAdbwIKDxSq3h7AZbrCStge+fuyf9flWDA"
    "+Bn8GzsPwzzbw/MfO+1GQ1tNNS2hPNROfp1YxN82O+WymnWFi8fSvzuzt7KuG8vFjxYoa4"
    "mTkzPhwOVAFelm9h593IapEm/uozt1XX3Fq82la/oR0TUxIpWhyluyyvY6PXiY32wq3Xyq"
    "trS4EW9un6EzCw1mXk0fkc2nYhfRQJPe2y8c4asAY80avdN/sRM8R/lHFB5597w2Ge/NGH"
    "VreN83nwTI9ikx8W19sy1tiWoZf7f4QPS58e3V49N4Q0P0fMIpQsm6fud1UIcyok1Ojyr2"
    "ITtzXFVISg8/XrsBoabPDmq5zBwSPLUHUDuu49LzmnyL5FEl69rkrXWDxvAqP3Qy2hx51O"
    "2QWKJNroA20iipawiqrjnJZqH6O6Mah97FkS0rp82E8J6kFfD/ryVDHBcFiSKyZVQGXYVx"
    "vve3i5xJ0af7tgYXmzMHyNm4owu4sYwxdhilmKML+OXFm+v/rqfYxl94dX2/Uqt95f1qRR"
    "bqtXZJsN7aaWZINqchAX83KRgF6LWWctRnsi2hNpF9TaE2mfJ5KimaFls3cdUSvc21SJaM"
    "4Ka103WdemRTnIqywpZES1nrdCzy6ClEhOHC4eJyWi7RssNxKlp5dlW/ttNYS56/mmVbJa"
    "l7zdLWPtIC+oxtnxbSrejOk2JM/IHPGgPWBapnxPS1nhTbJr4p3q5tb0cZb83mMcZ6nPc2"
    "+NsdSbWx6VSmXmm7hVAI4EWgjvRliQG3RfcftFLKG3X+R6q1XNIYklWthf6zcHHnSn1ZjR"
    "WEI7ekqOnok8KKNEixdXYgkd91xtcaUhntfARHOHeDynfbH/lS/ULfPCrLi4mi/G8wJNLJ"
    "fyswvpgp+CQwAEbKx5JyIdiM9uiE3zPo9vsOz4gN4x4k7ZHJqS6Inaaq3o3SVIjwdcuwRQ"
    "oxUT85rWFFU7ZCaW0AGZBYNOsTc3YQ+DXMcN3WFVzDNierxXGO+DLzOPcvn+tFiqRTmN6t"
    "irNkPMnLmVIicSInp0Xz10Qr53+IJZdznsBXuHt3LSWkb59H+7KMc6YnyGpycflsWzCtBL"
    "FT8g+zZDq8ZvpCW1mhun5ob4RZ9QiT8U3+yWrkY51oi5G+rrUUEY14E46DOYpvPEqDwLqs"
    "X9kq443iQI8BZ+ypQQk28Gky9YrVVbzeeL6lhuHcu9dR6IPitkw8sP7NXk+PaxPxcYJ1OT"
    "pxciQtkmY9351P/3ASecrjBzyD4dMH8J31zh8/45P4f7gBloQQtd4YvB0af+BTNUlnETEN"
    "ZPnx2GGqRioH0soSPt13AXNaO3UaPuuGhi3VUbNpcSTTY2qxr22g2Hg9zR3MK+LHVX8dnc"
    "KaEWUXe1pX3XzMYqFnorXN6kmtGdY7HqVlBzWlKHsTdZyz5d6UtOiGn9Nk2/DSGujskC88"
    "NtS44LSJfollFYZlhWncOChhG4NcDCIvn/hLhz6HXBBHkGP2SXMHfuHVi4luchzM/9wYKh"
    "Ck/BBTPI19/ZxVvkWuydzeBMX5M4rCPLia7NNyk9CzhqVnzGosncmcA6KLuZQdkp1SnH6y"
    "WEWugK7KlQPHvFDM9ejuAJP4oKGMcSLQR4AySNPoB0w0Eo+ojdpz1fS3Pwmw35dcUkUNK7"
    "C7t2QqJN/bo2oibQ12jsVLMYKbE2AfvIBsNxyS3CUJryoXjtIi2l1y/WWL9wET8j4HYlgi"
    "Mrq8lKTXMU7Bhnrrox68g2iwd3uqWROXGZh0iNYsXWHCLzo7j+aw60xU79LXKruvQJET1h"
    "VJsw8o+qAsJh8Raiu5GQmJCSrDJ1SYjoecs2bcL7/n+XdpEH"
)
