package engines;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import io.confluent.parallelconsumer.PollContext;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Confluent's Parallel Consumer in key order, a thread for each call in flight; mode `exactly_once` is with its
 * transactional producer.
 *
 * <p>A call that fails is tried again by the library for as long as it takes, later each time.
 */
public final class Worker {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(8);

  private final JsonNode task;
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(60)).build();
  private final URI url;

  private Worker(JsonNode task) {
    this.task = task;
    this.url = URI.create(task.get("url").asText() + "/openai/v1/chat/completions");
  }

  public static void main(String[] arguments) throws IOException {
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
    new Worker(JSON.readTree(System.getenv("ENGINE_TASK"))).run();
  }

  private void run() {
    var options =
        ParallelConsumerOptions.<byte[], byte[]>builder()
            .consumer(new KafkaConsumer<>(consumer(), new ByteArrayDeserializer(), new ByteArrayDeserializer()))
            .producer(new KafkaProducer<>(producer(), new ByteArraySerializer(), new ByteArraySerializer()))
            .ordering(ProcessingOrder.KEY)
            .commitMode(
                transactional() ? CommitMode.PERIODIC_TRANSACTIONAL_PRODUCER : CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
            .maxConcurrency(task.get("concurrency").asInt())
            .retryDelayProvider(failed -> pause(failed.getNumberOfFailedAttempts()))
            .build();
    var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
    Runtime.getRuntime().addShutdownHook(new Thread(processor::closeDrainFirst));
    processor.subscribe(List.of(task.get("source").asText()));
    processor.pollAndProduce(this::handle);
  }

  private ProducerRecord<byte[], byte[]> handle(PollContext<byte[], byte[]> context) {
    byte[] key = context.key();
    byte[] value = context.value();
    try {
      JSON.readTree(value);
    } catch (IOException malformed) {
      return new ProducerRecord<>(task.get("graveyard").asText(), key, value);
    }
    return new ProducerRecord<>(task.get("target").asText(), key, call(new String(value)));
  }

  private byte[] call(String ticket) {
    try {
      var body =
          JSON.writeValueAsBytes(
              Map.of(
                  "model", "ticket-sorter",
                  "max_completion_tokens", 200,
                  "messages", List.of(Map.of("role", "user", "content", ticket))));
      var request =
          HttpRequest.newBuilder(url)
              .timeout(Duration.ofSeconds(60))
              .header("content-type", "application/json")
              .POST(HttpRequest.BodyPublishers.ofByteArray(body))
              .build();
      var response = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
      if (response.statusCode() != 200) {
        throw new IllegalStateException("status " + response.statusCode());
      }
      return JSON.readTree(response.body()).at("/choices/0/message/content").asText().getBytes();
    } catch (JsonProcessingException invalid) {
      throw new IllegalStateException(invalid);
    } catch (IOException unreachable) {
      throw new IllegalStateException(unreachable);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(stopped);
    }
  }

  private static Duration pause(int failures) {
    var pause = Duration.ofMillis(500L << Math.min(10, Math.max(0, failures - 1)));
    return pause.compareTo(LONGEST_PAUSE) < 0 ? pause : LONGEST_PAUSE;
  }

  private Properties consumer() {
    var found = new Properties();
    found.put("bootstrap.servers", task.get("bootstrap").asText());
    found.put("group.id", task.get("group").asText());
    found.put("auto.offset.reset", "earliest");
    found.put("enable.auto.commit", "false");
    found.put("isolation.level", "read_committed");
    return found;
  }

  private Properties producer() {
    var found = new Properties();
    found.put("bootstrap.servers", task.get("bootstrap").asText());
    if (transactional()) {
      found.put("transactional.id", task.get("group").asText() + "." + task.get("slot").asText());
    }
    return found;
  }

  private boolean transactional() {
    return task.get("mode").asText().equals("exactly_once");
  }
}
